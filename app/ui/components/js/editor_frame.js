/** The elements of the editor, and how a list of cards changes without disturbing the one that is being typed in. */

import { el } from "./dom.js";
import { makeHelp } from "./help.js";
import { language, say } from "./words.js";

/** The sections in reading order; the first three stay small while they are empty. */
function titles() {
  return {
    indication: say("Indication"),
    comparison: say("Comparison"),
    technique: say("Technique"),
    findings: say("Findings"),
    impression: say("Impression"),
  };
}

/**
 * Make the elements.
 * @param {Object<string, (...given: any[]) => void>} actions
 * @returns {Object<string, any>} By name; `lists` and `adds` by section.
 */
export function makeEditorFrame(actions) {
  const lists = {};
  const adds = {};
  const sections = Object.entries(titles()).map(([name, title]) => {
    lists[name] = el("ol", { class: "sentences", "aria-label": title });
    adds[name] = el("button", {
      type: "button",
      class: "add",
      text: say("+ Add to {section}", { section: language() === "de" ? title : title.toLowerCase() }),
      onclick: () => actions.add(name),
    });
    return el("section", { class: "section", dataset: { section: name } }, el("h2", { text: title }), lists[name], adds[name]);
  });
  const parts = {
    lists,
    adds,
    banners: el("div", { class: "banners" }),
    findings: el("div"),
    facts: el("div", { class: "signature" }),
    saved: el("output", { class: "saved", "aria-live": "polite" }),
    version: el("span", { class: "version" }),
    note: el("output", { class: "note", "aria-live": "polite" }),
    templates: el("button", { type: "button", class: "quiet", text: say("Templates"), title: say("Another template (t)"), onclick: actions.templates }),
    macros: el("button", { type: "button", class: "quiet", text: say("Macros"), title: say("Macros (m)"), onclick: actions.macros }),
    dictate: el("button", { type: "button", class: "quiet", text: say("Dictate"), title: say("Dictate into the text (Ctrl+D)"), onclick: actions.dictate }),
    help: makeHelp(),
    keys: el("button", { type: "button", class: "quiet", text: say("Keys ?"), title: say("Show the keys (?)"), onclick: actions.help }),
    critical: el("button", { type: "button", class: "quiet", text: say("Critical ..."), title: say("Critical result (c)"), onclick: actions.critical }),
    sign: el("button", { type: "button", class: "sign", text: say("Sign ..."), title: say("Sign (s)"), onclick: actions.sign }),
  };
  const gap = el("span", { class: "gap" });
  const foot = el("footer", {}, parts.saved, parts.version, parts.note, gap, parts.keys, parts.critical, parts.sign);
  const aids = el("div", { class: "aids" }, parts.templates, parts.macros, parts.dictate);
  parts.body = el("div", { class: "body" }, parts.banners, aids, ...sections, parts.findings, parts.facts);
  parts.root = el("section", { class: "editor", "aria-label": say("Report") }, parts.body, foot, parts.help);
  return parts;
}

/**
 * Put cards into a list; a card that stays is not moved, so it keeps focus and caret.
 * @param {HTMLElement} list
 * @param {HTMLElement[]} cards
 */
export function place(list, cards) {
  for (const old of [...list.children]) if (!cards.includes(old)) old.remove();
  cards.forEach((card, i) => {
    if (list.children[i] !== card) list.insertBefore(card, list.children[i] ?? null);
  });
}

/**
 * Return the facts of signatures and deliveries.
 * @param {import("./report_client.js").EditorData} data
 * @param {(iso: string) => string} time
 * @returns {HTMLElement[]}
 */
export function recordOf(data, time) {
  const signatures = data.signatures.map((s) =>
    el(
      "dl",
      { class: "record" },
      ...pair(say("Signed by"), `${s.printedName} (${s.username}, ${s.role})`),
      ...pair(say("At"), time(s.at)),
      ...pair(say("Meaning"), s.meaning),
      ...pair(say("Digest"), `SHA-256 ${s.sha256.slice(0, 16)} ...`),
      ...pair(
        say("Signature"),
        s.problem ? say("DOES NOT VERIFY: {problem}", { problem: s.problem }) : say("verified, key {key}", { key: s.keyId }),
      ),
    ),
  );
  const deliveries = data.deliveries.map((d) =>
    el(
      "dl",
      { class: "record", dataset: { delivery: d.state } },
      ...pair(say("Sent to"), `${d.destination} (${d.kind})`),
      ...pair(say("Delivery"), `${d.stateName}${d.sentAt ? ` ${time(d.sentAt)}` : ""}${d.reason ? `: ${d.reason}` : ""}`),
    ),
  );
  return [...signatures, ...deliveries];
}

function pair(name, value) {
  return [el("dt", { text: name }), el("dd", { text: value })];
}
