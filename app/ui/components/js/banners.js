/** What the reader must know before trusting the text: who wrote it, who may change it, whether it still counts. */

import { el, localTime } from "./dom.js";

/** @typedef {import("./report_client.js").EditorData} EditorData */
/** @typedef {import("./link.js").Sentence} Sentence */

const SUPERSEDED = "A later image arrived. This text cannot be signed; the new one is there once it is drafted.";

/**
 * Return the banners of a report, gravest first.
 * @param {EditorData} data
 * @param {Sentence[]} sentences As they stand now.
 * @param {(event: string) => void} ask Asks the server for what a banner offers.
 * @returns {HTMLElement[]}
 */
export function banners(data, sentences, ask) {
  const lines = [
    data.superseded && ["danger", "SUPERSEDED", SUPERSEDED, { text: "Open the new one", event: "newest" }],
    ...signed(data),
    undrafted(data),
    lock(data),
    review(data, sentences),
    ...data.draft.issues.filter(isLoud).map((issue) => [severity(issue.severity), "CHECK", issue.message]),
  ];
  return lines.filter(Boolean).map((line) => banner(line, ask));
}

function banner([kind, head, text, offer], ask) {
  const button = offer && el("button", { type: "button", text: offer.text, onclick: () => ask(offer.event) });
  const words = [el("strong", { text: head }), el("span", { text })];
  return el("div", { class: `banner ${kind}`, role: "status" }, ...words, button);
}

/** Whether an issue has to be seen before reading; the others stand with the findings. */
export function isLoud({ severity: name }) {
  return name !== "info";
}

function severity(name) {
  return name === "error" ? "danger" : "warn";
}

function signed({ state, signatures }) {
  const last = signatures.at(-1);
  if (!last) return [];
  const kind = { PRELIMINARY: "warn", WITHDRAWN: "danger" }[state] ?? "ok";
  return [[kind, state, `${last.printedName} (${last.role}), ${localTime(last.at)}: ${last.meaning}`]];
}

function undrafted({ draft, state }) {
  if (draft.status === "drafted" || ["SIGNED", "ADDENDED", "CORRECTED", "WITHDRAWN"].includes(state)) return null;
  return ["note", "NO AI DRAFT", draft.reason || "This report is written by hand."];
}

function lock({ lock: held, mayEdit, roleMayEdit, isEditable }) {
  if (mayEdit || !isEditable) return null;
  const isTaken = held !== null && !held.mine;
  const offer = { text: isTaken ? "Take over ..." : "Edit", event: isTaken ? "takeover" : "reopen" };
  const who = isTaken ? `${held.owner} is editing since ${localTime(held.since)}.` : "Nobody is editing this report.";
  if (!roleMayEdit) return ["note", "READ ONLY", isTaken ? who : "Your role may read reports, not write them."];
  return ["warn", "READ ONLY", who, offer];
}

function review({ draft, isFinal }, sentences) {
  const ai = sentences.filter(({ origin }) => origin === "AI");
  if (isFinal || ai.length === 0) return null;
  const left = ai.filter(({ decision }) => decision === "UNTOUCHED").length;
  if (left === 0) return ["ok", "REVIEWED", `All ${ai.length} sentences of the AI were accepted, edited or rejected.`];
  const count = left === ai.length ? "not reviewed" : `${left} of ${ai.length} sentences not reviewed`;
  return ["ai", `AI DRAFT - ${count}`, `Model ${draft.model || "unknown"}`];
}
