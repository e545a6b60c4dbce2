/** Images as planes in the patient (PS3.3 C.7.6.2.1.1): how far apart two lie, and where one cuts another. */

/**
 * @typedef {import("./image.js").Facts} Facts
 * @typedef {number[]} Vector Millimetres towards the patient's left, back and head.
 * @typedef {{origin: Vector, along: Vector, down: Vector, normal: Vector, columns: number, rows: number}} Plane
 * `origin` is the middle of the first pixel; `along` and `down` lead to the next column and the next row.
 */

const AXES = ["LR", "PA", "HF"];
/** Planes that are closer to parallel than about 11 degrees show no useful line. */
const MOST_PARALLEL = 0.98;

/**
 * @param {Facts|undefined} facts
 * @returns {Plane|null} Null for an image that does not say where it lies.
 */
export function planeOf(facts) {
  if (!facts?.imagePosition || !facts.imageOrientation || facts.spacingSource === "none") return null;
  const [rowSpacing, columnSpacing] = facts.spacing;
  const [first, second] = [facts.imageOrientation.slice(0, 3), facts.imageOrientation.slice(3)];
  const normal = cross(first, second);
  const length = Math.hypot(...normal);
  if (length < 0.9) return null;
  return {
    origin: facts.imagePosition,
    along: scaled(first, columnSpacing),
    down: scaled(second, rowSpacing),
    normal: scaled(normal, 1 / length),
    columns: facts.columns,
    rows: facts.rows,
  };
}

/**
 * Return how far `other` lies from an image, along the normal of that image.
 * @param {Facts} facts
 * @param {Facts} other
 * @returns {number|null} Millimetres; null where one of them does not say, or they are not parallel.
 */
export function distanceTo(facts, other) {
  const [plane, second] = [planeOf(facts), planeOf(other)];
  if (!plane || !second || Math.abs(dot(plane.normal, second.normal)) < MOST_PARALLEL) return null;
  return dot(plane.normal, minus(second.origin, plane.origin));
}

/**
 * Say where an image lies along the axis that it is closest to, for example "H 34.5 mm".
 * @param {Facts} facts
 */
export function placeOf(facts) {
  const plane = planeOf(facts);
  if (!plane) return "";
  const axis = [0, 1, 2].reduce((best, one) => (Math.abs(plane.normal[one]) > Math.abs(plane.normal[best]) ? one : best));
  const value = plane.origin[axis];
  return `${AXES[axis][value < 0 ? 1 : 0]} ${Math.abs(value).toFixed(1)} mm`;
}

/**
 * Return where the plane of `other` cuts an image, as far as both reach.
 * @param {Facts} facts
 * @param {Facts} other
 * @returns {[[number, number], [number, number]]|null} Columns and rows, from the corner of the first pixel.
 */
export function cutOf(facts, other) {
  if (!facts.frameOfReference || facts.frameOfReference !== other.frameOfReference) return null;
  const [plane, second] = [planeOf(facts), planeOf(other)];
  if (!plane || !second || Math.abs(dot(plane.normal, second.normal)) > MOST_PARALLEL) return null;
  // column * a + row * b + c = 0 for the pixels of this image that lie in the other plane
  const [a, b] = [dot(second.normal, plane.along), dot(second.normal, plane.down)];
  const c = dot(second.normal, minus(plane.origin, second.origin));
  const size = a * a + b * b;
  const foot = [(-a * c) / size, (-b * c) / size];
  const reach = plane.columns + plane.rows + Math.hypot(...foot);
  const step = [(b / Math.sqrt(size)) * reach, (-a / Math.sqrt(size)) * reach];
  let ends = [
    [foot[0] - step[0], foot[1] - step[1]],
    [foot[0] + step[0], foot[1] + step[1]],
  ];
  ends = clip(ends, ends, plane);
  if (!ends) return null;
  ends = clip(ends, ends.map((end) => pixelOf(second, pointOf(plane, end))), second);
  if (!ends) return null;
  const [first, last] = ends.sort((one, next) => one[0] - next[0] || one[1] - next[1]);
  return [first, last].map(([column, row]) => [column + 0.5, row + 0.5]);
}

/** The part of a line for which `places`, which change with it, lie within an image. */
function clip(ends, places, { columns, rows }) {
  let [from, to] = [0, 1];
  for (const [axis, count] of [[0, columns], [1, rows]]) {
    const [start, step] = [places[0][axis], places[1][axis] - places[0][axis]];
    if (Math.abs(step) < 1e-9) {
      if (start < -0.5 || start > count - 0.5) return null;
      continue;
    }
    const [one, two] = [(-0.5 - start) / step, (count - 0.5 - start) / step];
    from = Math.max(from, Math.min(one, two));
    to = Math.min(to, Math.max(one, two));
  }
  if (from >= to) return null;
  const at = (share) => [0, 1].map((axis) => ends[0][axis] + share * (ends[1][axis] - ends[0][axis]));
  return [at(from), at(to)];
}

function pointOf({ origin, along, down }, [column, row]) {
  return origin.map((value, axis) => value + column * along[axis] + row * down[axis]);
}

function pixelOf({ origin, along, down }, point) {
  const offset = minus(point, origin);
  return [dot(offset, along) / dot(along, along), dot(offset, down) / dot(down, down)];
}

function dot(one, other) {
  return one[0] * other[0] + one[1] * other[1] + one[2] * other[2];
}

function cross([a, b, c], [d, e, f]) {
  return [b * f - c * e, c * d - a * f, a * e - b * d];
}

function minus(one, other) {
  return one.map((value, axis) => value - other[axis]);
}

function scaled(vector, factor) {
  return vector.map((value) => value * factor);
}
