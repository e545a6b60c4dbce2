/** Stored pixels of one image as the scanner sent them: 16 bits, never a screen copy. */

import { language, say } from "./words.js";

/**
 * @typedef {{center: number, width: number, name: string}} Window
 * @typedef {{first: number, top: number, entries: Uint16Array}} Table
 * @typedef {{rows: number, columns: number, samples: number, frames: number, bytes: number, signed: boolean,
 *   inverted: boolean, slope: number, intercept: number, modalityLut: Table|null, voiLut: Table|null,
 *   windows: Window[], windowShape: string, padding: [number, number]|null, spacing: [number, number],
 *   spacingSource: string, spacingCalibration: string, magnification: number|null, modality: string, laterality: string,
 *   imageOrientation: number[]|null, patientOrientation: string[]|null, imagePosition: number[]|null,
 *   sliceThickness: number|null, frameOfReference: string,
 *   overlayPlanes: number, overlayPlanesLeftOut: number}} Facts
 * `inverted` is MONOCHROME1: low values are shown white. `spacing` is millimetres between rows, between columns,
 * if `spacingSource` names an attribute in millimetres; otherwise their ratio alone counts.
 * @typedef {{sop: string, frame: number, facts: Facts, codes: Uint16Array|null, range?: [number, number],
 *   planes?: import("./planes.js").Plane[]|null, planesMissing?: boolean}} Image
 * `codes` of a CT slice are let go of once its values are made; `range` is that of the values.
 */

/** What was asked for while Cornerstone3D was still on its way. @type {Map<string, Promise<Image>>} */
const begun = new Map();

/**
 * Ask for an image before there is anything to draw it with; `loadImage` takes it over.
 * @param {import("./stacks.js").Entry} entry
 */
export function beginLoading({ sop, frame = 0 }) {
  const name = `${sop}#${frame}`;
  if (begun.has(name)) return;
  const promise = fetchImage(sop, frame);
  begun.set(name, promise);
  // whoever takes it over is told what was wrong
  promise.catch(() => undefined);
}

/**
 * Fetch the pixels of an image; Cornerstone3D's cache keeps them.
 * @param {string} sop SOP Instance UID.
 * @param {number} [frame] From 0.
 * @returns {Promise<Image>}
 */
export function loadImage(sop, frame = 0) {
  const name = `${sop}#${frame}`;
  const promise = begun.get(name) ?? fetchImage(sop, frame);
  begun.delete(name);
  return promise;
}

async function fetchImage(sop, frame) {
  const answer = await fetch(`/pixels/${encodeURIComponent(sop)}?frame=${frame}`, {
    credentials: "same-origin",
    headers: { "Accept-Language": language() },
  });
  if (!answer.ok) {
    const refusal = await answer.json().catch(() => ({}));
    throw new Error(refusal.message || say("the server answered {status}", { status: answer.status }));
  }
  /** @type {Facts} */
  const facts = JSON.parse(answer.headers.get("X-Image-Facts"));
  for (const name of ["modalityLut", "voiLut"]) facts[name] = facts[name] && readTable(facts[name]);
  const codes = readCodes(await answer.arrayBuffer(), facts);
  return { sop, frame, facts, codes };
}

function readTable({ first, top, entries_base64: text }) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  return { first, top, entries: new Uint16Array(bytes.buffer) };
}

/** Samples as unsigned 16-bit codes; a signed sample keeps its bits. */
function readCodes(buffer, facts) {
  const length = facts.rows * facts.columns * facts.samples;
  if (buffer.byteLength < length * facts.bytes) throw new Error(say("the image is shorter than it should be"));
  if (facts.bytes === 2) return new Uint16Array(buffer, 0, length);
  const small = facts.signed ? new Int8Array(buffer, 0, length) : new Uint8Array(buffer, 0, length);
  return Uint16Array.from(small);
}

/** @type {WeakMap<Image, Uint32Array>} */
const histograms = new WeakMap();

/**
 * Return how often each code occurs in an image, padding left out.
 * @param {Image} image With its codes.
 * @returns {Uint32Array} 65536 counts.
 */
export function histogramOf(image) {
  if (!histograms.has(image)) histograms.set(image, count(image.codes ?? [], image.facts));
  return histograms.get(image);
}

function count(codes, facts) {
  const histogram = new Uint32Array(65536);
  for (let i = 0; i < codes.length; i += 1) histogram[codes[i]] += 1;
  const [low, high] = facts.padding ?? [1, 0];
  for (let stored = low; stored <= high; stored += 1) histogram[stored & 0xffff] = 0;
  return histogram;
}

/**
 * Return the stored value of a code.
 * @param {Facts} facts
 * @param {number} code 0 to 65535.
 */
export function storedValue(facts, code) {
  return facts.signed && code > 32767 ? code - 65536 : code;
}

/**
 * Return the modality value (Hounsfield units for CT) of a code.
 * @param {Facts} facts
 * @param {number} code 0 to 65535.
 */
export function modalityValue(facts, code) {
  const stored = storedValue(facts, code);
  return facts.modalityLut ? lookUp(facts.modalityLut, stored) : stored * facts.slope + facts.intercept;
}

/**
 * Look a value up; what lies outside gets the first or the last entry (PS3.3 C.11.1.1.1).
 * @param {Table} table
 * @param {number} value
 */
export function lookUp({ first, entries }, value) {
  return entries[Math.min(entries.length - 1, Math.max(0, Math.round(value) - first))];
}
