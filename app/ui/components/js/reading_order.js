/** The order in which sentences are read, and which comes next. */

/** @typedef {import("./link.js").Sentence} Sentence */

/** The sections in reading order. */
export const SECTIONS = ["indication", "comparison", "technique", "findings", "impression"];
/** What says how the patient is: nothing of it is signed unread. */
const READING = ["findings", "impression"];

/**
 * Return the sentences in reading order.
 * @param {Sentence[]} sentences
 * @returns {Sentence[]}
 */
export function inReadingOrder(sentences) {
  return SECTIONS.flatMap((name) => sentences.filter(({ section }) => section === name));
}

/**
 * Whether a sentence has to be looked at before signing: the AI's, and a template's about the patient.
 * @param {Sentence} sentence
 */
export function isUnread({ origin, decision, section }) {
  return decision === "UNTOUCHED" && (origin === "AI" || (origin === "TEMPLATE" && READING.includes(section)));
}

/**
 * Return the sentence some steps away; the first that is unread when none is chosen.
 * @param {Sentence[]} sentences
 * @param {string|null} chosen
 * @param {number} step
 * @returns {Sentence|undefined}
 */
export function neighbour(sentences, chosen, step) {
  const ordered = inReadingOrder(sentences);
  const at = ordered.findIndex(({ key }) => key === chosen);
  if (at < 0) return ordered.find(({ section }) => READING.includes(section)) ?? ordered[0];
  return ordered[Math.min(ordered.length - 1, Math.max(0, at + step))];
}

/**
 * Return the next sentence that nobody has looked at: after this one, else from the top.
 * @param {Sentence[]} sentences
 * @param {string} key
 * @returns {Sentence|undefined}
 */
export function nextUntouched(sentences, key) {
  const ordered = inReadingOrder(sentences);
  const after = ordered.slice(ordered.findIndex((s) => s.key === key) + 1);
  return after.find(isUnread) ?? ordered.find(isUnread);
}

/**
 * Make a sentence of the reader's own that has no text yet.
 * @param {string} key
 * @param {string} section
 * @returns {Sentence}
 */
export function blankSentence(key, section) {
  const facts = { origin: "HUMAN", decision: "EDITED", findings: [], confidence: null, region: null };
  return { key, section, text: "", aiText: "", ...facts };
}
