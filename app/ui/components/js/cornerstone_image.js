/** Our images as Cornerstone3D wants them: modality values, square with the stored pixels, nothing resampled. */

import { modalityValue, storedValue } from "./image.js";

/** @typedef {import("./image.js").Image} Image */

/** Facts of every image that was loaded, by its name at Cornerstone3D. @type {Map<string, Image>} */
const known = new Map();

/**
 * Make Cornerstone3D's image. Its plane is the image itself (columns right, rows down): the marks at the edges say
 * where the patient lies, so turning and flipping need no patient geometry.
 * @param {any} cs
 * @param {string} imageId
 * @param {Image} image
 */
export function toCornerstone(cs, imageId, image) {
  known.set(imageId, image);
  const { rows, columns, samples } = image.facts;
  const isColour = samples === 3;
  const data = isColour ? Uint8ClampedArray.from(image.codes) : modalityValues(image);
  const [low, high] = isColour ? [0, 255] : image.range;
  const [rowPixelSpacing, columnPixelSpacing] = image.facts.spacing ?? [1, 1];
  return {
    imageId,
    rows,
    columns,
    height: rows,
    width: columns,
    color: isColour,
    rgba: false,
    numberOfComponents: samples,
    photometricInterpretation: isColour ? "RGB" : "MONOCHROME2",
    minPixelValue: low,
    maxPixelValue: high,
    slope: 1,
    intercept: 0,
    isPreScaled: true,
    windowCenter: (low + high) / 2,
    windowWidth: Math.max(1, high - low),
    voiLUTFunction: "LINEAR",
    invert: false,
    rowPixelSpacing,
    columnPixelSpacing,
    sizeInBytes: data.byteLength,
    dataType: data.constructor.name,
    getPixelData: () => data,
    voxelManager: cs.utilities.VoxelManager.createImageVoxelManager({
      width: columns,
      height: rows,
      scalarData: data,
      numberOfComponents: samples,
    }),
  };
}

/**
 * Return the modality values (Hounsfield units for CT) of an image in the smallest type that holds them exactly.
 * Padding gets the darkest value: it is shown black, whatever its code.
 * @param {Image} image Its `range` is set to the lowest and the highest value.
 */
function modalityValues(image) {
  const { facts, codes } = image;
  const table = Float64Array.from({ length: 65536 }, (_, code) => modalityValue(facts, code));
  image.range = rangeOf(codes, table, facts);
  const [low, high] = image.range;
  blacken(table, facts, facts.inverted ? high : low);
  if (facts.modality === "CT") image.codes = null;
  const isPlain = !facts.modalityLut && facts.slope === 1 && facts.intercept === 0 && !facts.padding;
  if (isPlain) return facts.signed ? new Int16Array(codes.buffer, codes.byteOffset, codes.length) : codes;
  const isWhole = facts.modalityLut || (Number.isInteger(facts.slope) && Number.isInteger(facts.intercept));
  const Kind = !isWhole ? Float32Array : low >= 0 && high <= 65535 ? Uint16Array : low >= -32768 && high <= 32767 ? Int16Array : Float32Array;
  return Kind.from(codes, (code) => table[code]);
}

/** The lowest and the highest value of an image, padding left out. */
function rangeOf(codes, table, facts) {
  const seen = new Uint8Array(65536);
  for (let i = 0; i < codes.length; i += 1) seen[codes[i]] = 1;
  const [from, to] = facts.padding ?? [1, 0];
  for (let stored = from; stored <= to; stored += 1) seen[stored & 0xffff] = 0;
  let [low, high] = [Infinity, -Infinity];
  for (let code = 0; code < 65536; code += 1) {
    if (!seen[code]) continue;
    low = Math.min(low, table[code]);
    high = Math.max(high, table[code]);
  }
  return low <= high ? [low, high] : [0, 1];
}

function blacken(table, facts, darkest) {
  const [from, to] = facts.padding ?? [1, 0];
  for (let code = 0; from <= to && code < 65536; code += 1) {
    const stored = storedValue(facts, code);
    if (stored >= from && stored <= to) table[code] = darkest;
  }
}

/**
 * Answer what Cornerstone3D asks about an image.
 * @param {string} kind Name of a module.
 * @param {string} imageId
 */
export function describePixels(kind, imageId) {
  const image = known.get(imageId);
  if (!image) return undefined;
  const { rows, columns, samples, signed, bytes, spacing } = image.facts;
  const [rowPixelSpacing, columnPixelSpacing] = spacing ?? [1, 1];
  if (kind === "generalSeriesModule") return { modality: image.facts.modality || "OT" };
  if (kind === "imagePixelModule") {
    const bits = samples === 3 ? 8 : 8 * bytes;
    return {
      rows,
      columns,
      samplesPerPixel: samples,
      photometricInterpretation: samples === 3 ? "RGB" : "MONOCHROME2",
      bitsAllocated: bits,
      bitsStored: bits,
      highBit: bits - 1,
      pixelRepresentation: signed ? 1 : 0,
    };
  }
  if (kind === "imagePlaneModule") {
    return {
      frameOfReferenceUID: imageId,
      rows,
      columns,
      rowPixelSpacing,
      columnPixelSpacing,
      pixelSpacing: [rowPixelSpacing, columnPixelSpacing],
      rowCosines: [1, 0, 0],
      columnCosines: [0, 1, 0],
      imageOrientationPatient: [1, 0, 0, 0, 1, 0],
      imagePositionPatient: [0, 0, 0],
      usingDefaultValues: false,
    };
  }
  return undefined;
}

/** Facts and pixels of a loaded image, by its name at Cornerstone3D. */
export function knownImage(imageId) {
  return known.get(imageId) ?? null;
}

/** Forget an image that Cornerstone3D's cache has let go of. */
export function forgetImage(imageId) {
  known.delete(imageId);
}
