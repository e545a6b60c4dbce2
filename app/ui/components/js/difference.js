/**
 * What became of the AI's draft: each sentence accepted, edited, rejected or added, with the words that left and came.
 * Read without colour: what left is struck out and in <del>, what came is underlined and in <ins>, each named.
 */

import { call } from "./api.js";
import { el } from "./dom.js";
import { holdKeysWhile } from "./keys.js";
import { say } from "./words.js";

/**
 * @typedef {[string, string]} Piece The words that were there, and those that are there now.
 * @typedef {{changes: {key: string, section: string, fate: string, pieces: Piece[]}[],
 *   sections: {section: string, pieces: Piece[]}[]}} Difference
 */

const FATES = ["accepted", "edited", "rejected", "added", "unread"];

/** @returns {HTMLDialogElement} */
export function makeDifference() {
  const dialog = el("dialog", { class: "changes", "aria-label": say("Changes from the AI draft") });
  dialog.addEventListener("keydown", (event) => event.key === "d" && dialog.close());
  return /** @type {HTMLDialogElement} */ (dialog);
}

/**
 * Read the difference as the server has it and show it.
 * @param {HTMLDialogElement} dialog
 * @param {number} reportId
 */
export async function showDifference(dialog, reportId) {
  holdKeysWhile(() => dialog.open);
  const close = el("button", { type: "button", text: say("Close"), onclick: () => dialog.close() });
  const title = el("h1", { text: say("Changes from the AI draft") });
  const head = el("header", {}, title, el("span", { class: "gap" }), close);
  const body = el("div", { class: "changes-body", tabindex: 0, role: "document", "aria-busy": "true" });
  dialog.replaceChildren(head, body);
  dialog.showModal();
  try {
    body.replaceChildren(...content(await call("GET", `/api/reports/${reportId}/difference`)));
  } catch (error) {
    body.replaceChildren(el("p", { role: "alert", text: say("The changes could not be read: {reason}", { reason: error.message }) }));
  }
  body.removeAttribute("aria-busy");
  body.focus();
}

/** @param {Difference} difference */
function content({ changes, sections }) {
  if (changes.length === 0) return [el("p", { text: say("There is no text yet.") })];
  const counts = FATES.map((fate) => [fate, changes.filter((change) => change.fate === fate).length]);
  const said = counts.filter(([, count]) => count > 0).map(([fate, count]) => `${count} ${fateWords(fate)}`);
  return [
    el("p", { class: "changes-count", text: said.join(", ") }),
    el("h2", { text: say("Sentence by sentence") }),
    el("ol", {}, ...changes.map(row)),
    el("h2", { text: say("The whole report") }),
    ...sections.filter(({ pieces }) => pieces.length > 0).map(section),
    el("p", { class: "changes-legend" }, el("del", { text: say("removed") }), " ", el("ins", { text: say("written") })),
  ];
}

function fateWords(fate) {
  return fate === "unread" ? say("not reviewed") : say(fate);
}

function row({ key, fate, pieces }) {
  const head = el("span", { class: "fate", text: fateWords(fate) });
  return el("li", { dataset: { key, fate } }, head, el("p", {}, ...words(pieces)));
}

function section({ section: name, pieces }) {
  return el("section", {}, el("h3", { text: say(name) }), el("p", {}, ...words(pieces)));
}

/** @param {Piece[]} pieces */
function words(pieces) {
  return pieces.flatMap(([old, now]) => {
    if (old === now) return [`${old} `];
    return [old && el("del", { text: old }), old && " ", now && el("ins", { text: now }), now && " "].filter(Boolean);
  });
}
