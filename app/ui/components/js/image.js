/** Stored pixels of one image as the scanner sent them: 16 bits, never a screen copy. */

/**
 * @typedef {{center: number, width: number, name: string}} Window
 * @typedef {{first: number, top: number, entries: Uint16Array}} Table
 * @typedef {{rows: number, columns: number, samples: number, frames: number, bytes: number, signed: boolean,
 *   inverted: boolean, slope: number, intercept: number, modalityLut: Table|null, voiLut: Table|null,
 *   windows: Window[], windowShape: string, padding: [number, number]|null, spacing: [number, number]|null}} Facts
 * `inverted` is MONOCHROME1: low values are shown white. `spacing` is millimetres between rows, between columns.
 * @typedef {{sop: string, facts: Facts, codes: Uint16Array, histogram: Uint32Array}} Image
 */

const KEPT = 48;
/** @type {Map<string, Promise<Image>>} */
const images = new Map();

/**
 * Fetch the pixels of an image, or take them from memory.
 * @param {string} sop SOP Instance UID.
 * @param {number} [frame] From 0.
 * @returns {Promise<Image>}
 */
export function loadImage(sop, frame = 0) {
  const name = `${sop} ${frame}`;
  const known = images.get(name);
  if (known) {
    images.delete(name);
    images.set(name, known);
    return known;
  }
  const loading = fetchImage(sop, frame);
  images.set(name, loading);
  loading.catch(() => images.delete(name));
  if (images.size > KEPT) images.delete(images.keys().next().value);
  return loading;
}

async function fetchImage(sop, frame) {
  const answer = await fetch(`/pixels/${encodeURIComponent(sop)}?frame=${frame}`, { credentials: "same-origin" });
  if (!answer.ok) {
    const refusal = await answer.json().catch(() => ({}));
    throw new Error(refusal.message || `the server answered ${answer.status}`);
  }
  /** @type {Facts} */
  const facts = JSON.parse(answer.headers.get("X-Image-Facts"));
  for (const name of ["modalityLut", "voiLut"]) facts[name] = facts[name] && readTable(facts[name]);
  const codes = readCodes(await answer.arrayBuffer(), facts);
  return { sop, facts, codes, histogram: count(codes, facts) };
}

function readTable({ first, top, entries_base64: text }) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  return { first, top, entries: new Uint16Array(bytes.buffer) };
}

/** Samples as unsigned 16-bit codes; a signed sample keeps its bits. */
function readCodes(buffer, facts) {
  const length = facts.rows * facts.columns * facts.samples;
  if (buffer.byteLength < length * facts.bytes) throw new Error("the image is shorter than it should be");
  if (facts.bytes === 2) return new Uint16Array(buffer, 0, length);
  const small = facts.signed ? new Int8Array(buffer, 0, length) : new Uint8Array(buffer, 0, length);
  return Uint16Array.from(small);
}

/** How often each code occurs, padding left out. */
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
