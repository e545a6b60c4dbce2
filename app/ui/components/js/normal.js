/**
 * Sentences that deny, or call normal, and that the model is sure of: the only ones that one key accepts together, a
 * section at a time. What speaks of something present or undecided, has a region or a low confidence is accepted by
 * itself or not at all.
 */

import { inReadingOrder } from "./reading_order.js";

/** @typedef {import("./link.js").Sentence} Sentence */

const LEAST_CONFIDENCE = 0.5;

/**
 * Return the keys of the sentences of a section that may be accepted together.
 * @param {Sentence[]} sentences
 * @param {string|undefined} section Undefined: the first that holds a sentence nobody has looked at.
 * @param {import("./overlay.js").Finding[]} findings What the model made of each finding.
 * @returns {string[]}
 */
export function normalOf(sentences, section, findings) {
  const open = inReadingOrder(sentences).filter((s) => s.origin === "AI" && s.decision === "UNTOUCHED");
  const wanted = section ?? open[0]?.section;
  const verdicts = new Map(findings.map(({ name, decision }) => [name, decision]));
  return open.filter((s) => s.section === wanted && isNormal(s, verdicts)).map(({ key }) => key);
}

function isNormal({ findings, confidence, region }, verdicts) {
  if (region || confidence === null || confidence < LEAST_CONFIDENCE || findings.length === 0) return false;
  return findings.every((name) => verdicts.get(name) === (name === "No Finding" ? "present" : "absent"));
}
