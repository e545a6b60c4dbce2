/** What the reader must know before trusting the text: who wrote it, who may change it, whether it still counts. */

import { el, localTime } from "./dom.js";
import { criticalNames } from "./findings.js";
import { say } from "./words.js";

/** @typedef {import("./report_client.js").EditorData} EditorData */
/** @typedef {import("./link.js").Sentence} Sentence */

/**
 * Return the banners of a report, gravest first.
 * @param {EditorData} data
 * @param {Sentence[]} sentences As they stand now.
 * @param {(event: string) => void} ask Asks the server for what a banner offers.
 * @returns {HTMLElement[]}
 */
export function banners(data, sentences, ask) {
  const lines = [
    data.superseded && superseded(),
    critical(data, sentences),
    ...signed(data),
    undrafted(data),
    lock(data),
    review(data, sentences),
    ...data.draft.issues
      .filter(isLoud)
      .map((issue) => [severity(issue.severity), say("CHECK"), issue.message]),
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

/**
 * Whether the AI calls something in a sentence present that somebody must be told of.
 * @param {Sentence} sentence
 * @param {EditorData} data
 */
export function isCriticalSentence(sentence, data) {
  const names = criticalNames(data.findings ?? []);
  return sentence.decision !== "REJECTED" && sentence.findings.some((name) => names.includes(name));
}

function severity(name) {
  return name === "error" ? "danger" : "warn";
}

function superseded() {
  const text = say("A later image arrived. This text cannot be signed; the new one is there once it is drafted.");
  return ["danger", say("SUPERSEDED"), text, { text: say("Open the new one"), event: "newest" }];
}

function critical(data, sentences) {
  const names = criticalNames(data.findings ?? []);
  const isShown = !data.isFinal && sentences.some((sentence) => isCriticalSentence(sentence, data));
  if (!isShown) return null;
  const text = say("{names}: the AI calls it present. Whoever treats the patient must be told.", { names: names.join(", ") });
  const offer = data.mayTellCritical && { text: say("Critical ..."), event: "critical" };
  return ["danger", say("CRITICAL"), text, offer];
}

function signed({ state, signatures }) {
  const last = signatures.at(-1);
  if (!last) return [];
  const kind = { PRELIMINARY: "warn", WITHDRAWN: "danger" }[state] ?? "ok";
  return [[kind, say(state), `${last.printedName} (${say(last.role)}), ${localTime(last.at)}: ${say(last.meaning)}`]];
}

function undrafted({ draft, state }) {
  if (draft.status === "drafted" || ["SIGNED", "ADDENDED", "CORRECTED", "WITHDRAWN"].includes(state)) return null;
  return ["note", say("NO AI DRAFT"), draft.reason || say("This report is written by hand.")];
}

function lock({ lock: held, mayEdit, roleMayEdit, isEditable, hadPen }) {
  if (mayEdit || !isEditable) return null;
  const isTaken = held !== null && !held.mine;
  const offer = { text: isTaken ? say("Take over ...") : say("Edit"), event: isTaken ? "takeover" : "reopen" };
  const who = isTaken
    ? say("{owner} is editing since {time}.", { owner: held.owner, time: localTime(held.since) })
    : say("Nobody is editing this report.");
  const mayNot = say("Your role may read reports, not write them.");
  if (hadPen) return ["danger", isTaken ? say("TAKEN OVER") : say("NOT YOURS ANY MORE"), `${lostTo(held, isTaken)} ${say("What you had saved is in the report.")}`, offer];
  if (!roleMayEdit) return ["note", say("READ ONLY"), isTaken ? who : mayNot];
  return ["warn", say("READ ONLY"), who, offer];
}

function lostTo(held, isTaken) {
  if (!isTaken) return say("Nobody is editing this report.");
  return say("{owner} has taken over, {time}.", { owner: held.owner, time: localTime(held.since) });
}

function review({ draft, isFinal }, sentences) {
  const ai = sentences.filter(({ origin }) => origin === "AI");
  if (isFinal || ai.length === 0) return null;
  const left = ai.filter(({ decision }) => decision === "UNTOUCHED").length;
  if (left === 0) {
    const text = say("All {all} sentences of the AI were accepted, edited or rejected.", { all: ai.length });
    return ["ok", say("REVIEWED"), text];
  }
  const head =
    left === ai.length
      ? say("AI DRAFT - not reviewed")
      : say("AI DRAFT - {left} of {all} sentences not reviewed", { left, all: ai.length });
  return ["ai", head, say("Model {model}", { model: draft.model || say("unknown") })];
}
