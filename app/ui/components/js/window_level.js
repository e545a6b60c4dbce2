/** Window and level: from stored samples to grey (PS3.3 C.11.2.1 and C.7.6.3.1.2). */

import { lookUp, modalityValue, storedValue } from "./image.js";

/** @typedef {import("./image.js").Image} Image */
/**
 * @typedef {{name: string, center: number, width: number, shape: string}} Setting
 * `shape` is LINEAR, LINEAR_EXACT, SIGMOID or TABLE (the image's own VOI LUT).
 */

const CT_WINDOWS = [
  ["Lung", -600, 1500],
  ["Mediastinum", 40, 400],
  ["Bone", 400, 1800],
  ["Brain", 40, 80],
];

/**
 * Return the windows offered for an image; the first is used at first.
 * @param {Image} image
 * @param {string} modality
 * @returns {Setting[]}
 */
export function presetsOf(image, modality) {
  const { facts } = image;
  const table = facts.voiLut ? [tableSetting(facts.voiLut)] : [];
  const sent = facts.windows.slice(0, 2).map(({ center, width }, i) => ({
    name: i ? "As sent 2" : "As sent",
    center,
    width,
    shape: facts.windowShape,
  }));
  const more = modality === "CT" ? CT_WINDOWS.map(([name, ...w]) => linear(name, ...w)) : contrasts(image);
  return [...table, ...sent, ...more].slice(0, 6);
}

function linear(name, center, width) {
  return { name, center, width: Math.max(2, width), shape: "LINEAR" };
}

function tableSetting({ first, entries }) {
  return { name: "As sent (table)", center: first + entries.length / 2, width: entries.length, shape: "TABLE" };
}

/** Windows of a projection image, which has no units: from its own histogram. */
function contrasts(image) {
  const low = quantile(image, 0.005);
  const high = quantile(image, 0.995);
  const span = high - low;
  const towardsAir = image.facts.inverted ? 1 : -1;
  return [
    linear("Automatic", (low + high) / 2, span),
    linear("Lung", (low + high) / 2 + towardsAir * 0.14 * span, 0.72 * span),
    linear("Mediastinum", (low + high) / 2 - towardsAir * 0.18 * span, 0.64 * span),
    linear("Full range", (quantile(image, 0) + quantile(image, 1)) / 2, quantile(image, 1) - quantile(image, 0)),
  ];
}

/** The modality value below which a part of the image lies. */
function quantile(image, part) {
  const total = image.histogram.reduce((sum, n) => sum + n, 0);
  const wanted = Math.max(1, Math.ceil(part * total));
  const start = image.facts.signed ? 32768 : 0;
  let seen = 0;
  for (let i = 0; i < 65536; i += 1) {
    const code = (start + i) & 0xffff;
    seen += image.histogram[code];
    if (seen >= wanted) return modalityValue(image.facts, code);
  }
  return 0;
}

/**
 * Make the table from code to opaque grey pixel (little-endian RGBA).
 * @param {Image} image
 * @param {Setting} setting
 * @param {boolean} invert The reader's own inversion, on top of MONOCHROME1.
 * @returns {Uint32Array} 65536 entries.
 */
export function greyTable(image, setting, invert) {
  const table = new Uint32Array(65536);
  const flip = invert !== image.facts.inverted;
  const part = curveOf(image, setting);
  const [low, high] = image.facts.padding ?? [1, 0];
  for (let code = 0; code < 65536; code += 1) {
    const stored = storedValue(image.facts, code);
    const share = Math.min(1, Math.max(0, part(modalityValue(image.facts, code))));
    const isPadding = stored >= low && stored <= high;
    const grey = isPadding ? 0 : Math.round(255 * (flip ? 1 - share : share));
    table[code] = 0xff000000 | (grey << 16) | (grey << 8) | grey;
  }
  return table;
}

/** The share of full brightness at a modality value, before clipping. */
function curveOf(image, { center, width, shape }) {
  const { voiLut } = image.facts;
  if (shape === "TABLE" && voiLut) return (value) => lookUp(voiLut, value) / voiLut.top;
  if (shape === "SIGMOID") return (value) => 1 / (1 + Math.exp((-4 * (value - center)) / width));
  if (shape === "LINEAR_EXACT") return (value) => (value - center) / width + 0.5;
  return (value) => (value - (center - 0.5)) / Math.max(1e-6, width - 1) + 0.5;
}

/**
 * Paint an image; colour is shown as it was stored.
 * @param {Image} image
 * @param {Uint32Array} table
 * @param {HTMLCanvasElement} canvas Gets the size of the image.
 */
export function paintPixels(image, table, canvas) {
  const { rows, columns, samples } = image.facts;
  if (canvas.width !== columns || canvas.height !== rows) Object.assign(canvas, { width: columns, height: rows });
  const context = canvas.getContext("2d");
  const painted = context.createImageData(columns, rows);
  const pixels = new Uint32Array(painted.data.buffer);
  const { codes } = image;
  if (samples === 3) {
    for (let i = 0; i < pixels.length; i += 1) {
      pixels[i] = 0xff000000 | (codes[3 * i + 2] << 16) | (codes[3 * i + 1] << 8) | codes[3 * i];
    }
  } else {
    for (let i = 0; i < pixels.length; i += 1) pixels[i] = table[codes[i]];
  }
  context.putImageData(painted, 0, 0);
}
