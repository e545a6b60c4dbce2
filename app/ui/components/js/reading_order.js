/** The order in which sentences are read, and which comes next. */

/** @typedef {import("./link.js").Sentence} Sentence */

/**
 * Return the sentences in reading order.
 * @param {Sentence[]} sentences
 * @returns {Sentence[]}
 */
export function inReadingOrder(sentences) {
  return ["findings", "impression"].flatMap((name) => sentences.filter(({ section }) => section === name));
}

/**
 * Return the sentence some steps away; the first when none is chosen.
 * @param {Sentence[]} sentences
 * @param {string|null} chosen
 * @param {number} step
 * @returns {Sentence|undefined}
 */
export function neighbour(sentences, chosen, step) {
  const ordered = inReadingOrder(sentences);
  const at = ordered.findIndex(({ key }) => key === chosen);
  return ordered[at < 0 ? 0 : Math.min(ordered.length - 1, Math.max(0, at + step))];
}

/**
 * Return the next sentence of the AI that nobody has looked at: after this one, else from the top.
 * @param {Sentence[]} sentences
 * @param {string} key
 * @returns {Sentence|undefined}
 */
export function nextUntouched(sentences, key) {
  const ordered = inReadingOrder(sentences);
  const isLeft = (s) => s.origin === "AI" && s.decision === "UNTOUCHED";
  const after = ordered.slice(ordered.findIndex((s) => s.key === key) + 1);
  return after.find(isLeft) ?? ordered.find(isLeft);
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
