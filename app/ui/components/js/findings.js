/**
 * What the AI made of each finding, with its calibrated probability. What is critical comes first, and nothing that is
 * present, undecided or uncertain is ever folded away: only what is absent with confidence is.
 */

import { el } from "./dom.js";
import { say } from "./words.js";

const ORDER = { present: 0, defer: 1, absent: 2 };
const HIGH = 0.85;
const MODERATE = 0.7;

/** @typedef {import("./overlay.js").Finding & {critical?: boolean}} Finding */

/**
 * Make the list of findings, the critical and the present first, with what else the model remarks.
 * @param {Finding[]} findings
 * @param {string[]} remarks
 * @returns {HTMLElement|null}
 */
export function findingsPanel(findings, remarks) {
  if (findings.length === 0) return null;
  const sorted = inOrder(findings);
  const folded = sorted.filter(isSettledAbsence);
  const shown = sorted.filter((finding) => !folded.includes(finding));
  const present = sorted.filter(({ decision }) => decision === "present").length;
  const undecided = sorted.filter(({ decision }) => decision === "defer").length;
  const title = say("Findings of the AI: {present} present, {undecided} undecided of {all}", {
    present,
    undecided,
    all: findings.length,
  });
  return el(
    "section",
    { class: "findings", "aria-label": say("Findings of the AI") },
    el("h2", { text: title }),
    el("ul", {}, ...shown.map(row)),
    folded.length > 0 &&
      el(
        "details",
        {},
        el("summary", { text: say("{count} absent with high confidence", { count: folded.length }) }),
        el("ul", {}, ...folded.map(row)),
      ),
    remarks.length > 0 && el("ul", { class: "remarks" }, ...remarks.map((text) => el("li", { text }))),
  );
}

/**
 * Return the names of the critical findings that the AI calls present, the surest first.
 * @param {Finding[]} findings
 */
export function criticalNames(findings) {
  return inOrder(findings).filter(isCritical).map(({ name }) => name);
}

function isCritical({ critical, decision }) {
  return Boolean(critical) && decision === "present";
}

function inOrder(findings) {
  const rank = (finding) => (isCritical(finding) ? -1 : (ORDER[finding.decision] ?? 1));
  return [...findings].sort((a, b) => rank(a) - rank(b) || b.probability - a.probability);
}

function certainty({ probability, decision }) {
  if (decision === "defer") return 0;
  return decision === "absent" ? 1 - probability : probability;
}

function isSettledAbsence(finding) {
  return finding.decision === "absent" && certainty(finding) >= HIGH;
}

/** @param {Finding} finding */
export function confidenceWords(finding) {
  const sure = certainty(finding);
  if (sure >= HIGH) return say("high confidence");
  return sure >= MODERATE ? say("moderate confidence") : say("low confidence");
}

function verdict({ decision }) {
  if (decision === "present") return say("present");
  return decision === "absent" ? say("absent") : say("undecided");
}

function row(finding) {
  const { name, probability, decision } = finding;
  const percent = Math.round(100 * probability);
  const bar = el("span", { class: "bar", "aria-hidden": true }, el("span", { class: `fill ${decision}` }));
  bar.firstElementChild.style.width = `${percent}%`;
  const isLow = certainty(finding) < MODERATE;
  return el(
    "li",
    { dataset: { finding: name, critical: String(isCritical(finding)) } },
    el("span", { class: "name" }, isCritical(finding) && el("span", { class: "chip bad", text: say("CRITICAL") }), name),
    bar,
    el("span", { class: "percent", text: `${percent} %` }),
    el("span", { class: `verdict ${decision}`, text: verdict(finding) }),
    el("span", { class: isLow ? "sureness low" : "sureness", text: confidenceWords(finding) }),
  );
}
