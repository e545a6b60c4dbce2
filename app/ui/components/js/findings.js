/** What the AI made of each finding, with its calibrated probability: the uncertain is never hidden. */

import { el } from "./dom.js";

const ORDER = { present: 0, defer: 1, absent: 2 };
const WORDS = { present: "present", defer: "undecided", absent: "absent" };

/**
 * Make the list of findings, the present first, with what else the model remarks.
 * @param {import("./overlay.js").Finding[]} findings
 * @param {string[]} remarks
 * @returns {HTMLElement|null}
 */
export function findingsPanel(findings, remarks) {
  if (findings.length === 0) return null;
  const sorted = [...findings].sort((a, b) => ORDER[a.decision] - ORDER[b.decision] || b.probability - a.probability);
  const present = sorted.filter(({ decision }) => decision === "present").length;
  const undecided = sorted.filter(({ decision }) => decision === "defer").length;
  return el(
    "details",
    { class: "findings" },
    el("summary", { text: `Findings of the AI: ${present} present, ${undecided} undecided of ${findings.length}` }),
    el("ul", {}, ...sorted.map(row)),
    remarks.length > 0 && el("ul", { class: "remarks" }, ...remarks.map((text) => el("li", { text }))),
  );
}

function row({ name, probability, decision }) {
  const percent = Math.round(100 * probability);
  const bar = el("span", { class: "bar", "aria-hidden": true }, el("span", { class: `fill ${decision}` }));
  bar.firstElementChild.style.width = `${percent}%`;
  return el(
    "li",
    {},
    el("span", { class: "name", text: name }),
    bar,
    el("span", { class: "percent", text: `${percent} %` }),
    el("span", { class: `verdict ${decision}`, text: WORDS[decision] ?? decision }),
  );
}
