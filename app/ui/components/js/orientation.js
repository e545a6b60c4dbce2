/** Which side of the patient lies at which edge of the screen (PS3.3 C.7.6.1.1.1 and C.7.6.2.1.1). */

const OPPOSITE = { R: "L", L: "R", A: "P", P: "A", H: "F", F: "H" };
const AXES = [
  ["L", "R"],
  ["P", "A"],
  ["H", "F"],
];

/**
 * Return the direction of an image's rows (towards higher columns) and of its columns, for example ["L", "F"].
 * @param {{patientOrientation: string[]|null, imageOrientation: number[]|null}} facts
 * @returns {[string, string]|null} Null when the image does not say.
 */
export function directionsOf({ patientOrientation, imageOrientation }) {
  if (imageOrientation?.length === 6) {
    const pair = [nameOf(imageOrientation.slice(0, 3)), nameOf(imageOrientation.slice(3))];
    if (pair.every(Boolean)) return pair;
  }
  if (patientOrientation?.length === 2 && patientOrientation.every((name) => /^[RLAPHF]{1,3}$/.test(name))) {
    return [...patientOrientation];
  }
  return null;
}

/** Letters of a direction, the largest part first; parts below a tenth are left out. */
function nameOf(cosines) {
  return cosines
    .map((value, axis) => ({ size: Math.abs(value), letter: AXES[axis][value > 0 ? 0 : 1] }))
    .filter(({ size }) => size > 0.1)
    .sort((one, other) => other.size - one.size)
    .map(({ letter }) => letter)
    .join("");
}

/**
 * Return what stands at the four edges of the screen.
 * @param {[string, string]|null} directions
 * @param {import("./geometry.js").Geometry} geometry
 * @returns {{left: string, right: string, top: string, bottom: string}|null}
 */
export function edgesOf(directions, geometry) {
  if (!directions) return null;
  const [a, b, c, d] = geometry.matrix;
  const [along, down] = directions;
  const pick = (x, y) => (Math.abs(x) > Math.abs(y) ? [along, x] : [down, y]);
  const [toRight, xSign] = pick(a, c);
  const [toBottom, ySign] = pick(b, d);
  const right = xSign > 0 ? toRight : opposite(toRight);
  const bottom = ySign > 0 ? toBottom : opposite(toBottom);
  return { right, left: opposite(right), bottom, top: opposite(bottom) };
}

function opposite(name) {
  return [...name].map((letter) => OPPOSITE[letter]).join("");
}
