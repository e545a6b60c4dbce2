/** Window and level: from stored samples to grey (PS3.3 C.11.2.1 and C.7.6.3.1.2). */

import { histogramOf, lookUp, modalityValue } from "./image.js";

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
  const histogram = histogramOf(image);
  const total = histogram.reduce((sum, n) => sum + n, 0);
  const wanted = Math.max(1, Math.ceil(part * total));
  const start = image.facts.signed ? 32768 : 0;
  let seen = 0;
  for (let i = 0; i < 65536; i += 1) {
    const code = (start + i) & 0xffff;
    seen += histogram[code];
    if (seen >= wanted) return modalityValue(image.facts, code);
  }
  return 0;
}

/** Steps of the curve of a window that is no straight line. */
const STEPS = 512;

/** The range of modality values between black and white of a straight window (PS3.3 C.11.2.1.2); null for a curve. */
function rangeOf({ center, width, shape }) {
  if (shape === "LINEAR") {
    const half = Math.max(1e-6, width - 1) / 2;
    return { lower: center - 0.5 - half, upper: center - 0.5 + half };
  }
  if (shape === "LINEAR_EXACT") return { lower: center - width / 2, upper: center + width / 2 };
  return null;
}

/**
 * Return a window as points of modality value and brightness: two for a straight one, many for a sigmoid or the
 * image's own table.
 * @param {Image} image
 * @param {Setting} setting
 * @returns {Array<[number, number]>} Values rising, brightness 0 to 1.
 */
export function curvePoints(image, setting) {
  const range = rangeOf(setting);
  if (range) {
    return [
      [range.lower, 0],
      [range.upper, 1],
    ];
  }
  const part = curveOf(image, setting);
  const reach = setting.shape === "TABLE" ? 0.5 : 2;
  const [low, high] = [setting.center - reach * setting.width, setting.center + reach * setting.width];
  return Array.from({ length: STEPS + 1 }, (_, step) => {
    const value = low + ((high - low) * step) / STEPS;
    return [value, Math.min(1, Math.max(0, part(value)))];
  });
}

/** The share of full brightness at a modality value, before clipping. */
function curveOf(image, { center, width, shape }) {
  const { voiLut } = image.facts;
  if (shape === "TABLE" && voiLut) return (value) => lookUp(voiLut, value) / voiLut.top;
  if (shape === "SIGMOID") return (value) => 1 / (1 + Math.exp((-4 * (value - center)) / width));
  if (shape === "LINEAR_EXACT") return (value) => (value - center) / width + 0.5;
  return (value) => (value - (center - 0.5)) / Math.max(1e-6, width - 1) + 0.5;
}
