/** One sentence of the report on the screen: what the AI wrote, how sure it was, what the reader made of it. */

import { el } from "./dom.js";
import { markedFields } from "./fields.js";
import { isUnread } from "./reading_order.js";
import { sentenceField } from "./sentence_field.js";
import { phrase, say } from "./words.js";

/** @typedef {import("./link.js").Sentence} Sentence */
/**
 * @typedef {object} SentenceActions
 * @property {(key: string) => void} choose
 * @property {(key: string) => void} accept
 * @property {(key: string) => void} edit
 * @property {(key: string) => void} reject
 * @property {(key: string, text: string) => void} type
 * @property {(key: string) => void} leave Called when the reader is done with the text.
 * @property {(key: string, area: HTMLTextAreaElement) => boolean} split
 * @property {(key: string) => boolean} join With the sentence before.
 * @property {(key: string, way: "up"|"down") => boolean} shift
 * @property {(key: string) => boolean} nextField To the next open field of the report.
 * @property {() => import("./macros.js").Macro[]} macros
 * @property {() => boolean} dictate
 * @property {(key: string) => HTMLElement} heardLine What was heard with doubt.
 * @property {(key: string) => boolean} settleHeard
 * @property {(key: string) => boolean} dropHeard
 */

const DECISIONS = { UNTOUCHED: "", ACCEPTED: phrase("accepted"), EDITED: phrase("edited"), REJECTED: phrase("rejected") };
const LOW_CONFIDENCE = 0.5;

/**
 * Make the card of a sentence.
 * @param {Sentence} sentence
 * @param {{chosen: boolean, editing: boolean, mayEdit: boolean, critical?: boolean}} how
 * @param {SentenceActions} actions
 * @returns {HTMLElement}
 */
export function sentenceCard(sentence, how, actions) {
  const isUntouched = sentence.origin === "AI" && sentence.decision === "UNTOUCHED";
  const card = el(
    "li",
    {
      class: "sentence",
      tabindex: how.chosen ? 0 : -1,
      "aria-current": how.chosen ? "true" : null,
      "aria-label": spoken(sentence, isUntouched),
      dataset: { key: sentence.key, decision: sentence.decision, origin: sentence.origin, ai: String(isUntouched), unread: String(isUnread(sentence)) },
      onclick: () => actions.choose(sentence.key),
    },
    facts(sentence, isUntouched, how.critical),
    how.editing ? sentenceField(sentence, actions) : el("p", { class: "text" }, ...markedFields(sentence.text)),
    how.mayEdit && actions.heardLine(sentence.key),
    difference(sentence),
    how.mayEdit && !how.editing && buttons(sentence, actions),
  );
  return card;
}

function spoken(sentence, isUntouched) {
  const from = isUnread(sentence) ? say("template, not reviewed") : say("template");
  const other = sentence.origin === "TEMPLATE" && sentence.decision === "UNTOUCHED" ? from : say("your text");
  const decision = isUntouched ? say("AI draft, not reviewed") : say(DECISIONS[sentence.decision]) || other;
  return `${decision}: ${sentence.text}`;
}

function facts(sentence, isUntouched, critical) {
  const line = el("div", { class: "facts" });
  if (critical) line.append(el("span", { class: "chip bad", text: say("CRITICAL") }));
  if (isUntouched) line.append(el("span", { class: "chip ai", text: say("AI") }));
  else if (sentence.origin === "AI") line.append(el("span", { class: "chip", text: say(DECISIONS[sentence.decision]) }));
  else if (sentence.origin === "TEMPLATE") line.append(...templateChips(sentence));
  else line.append(el("span", { class: "chip own", text: say("own text") }));
  if (sentence.origin === "AI" && sentence.confidence !== null) line.append(confidence(sentence.confidence));
  if (sentence.region && sentence.decision !== "REJECTED") {
    line.append(el("span", { class: "region", text: say("region"), title: say("This sentence has a region on the image") }));
  }
  return line;
}

/** The department's text is called so until somebody has written in it. */
function templateChips(sentence) {
  if (sentence.decision === "EDITED") return [el("span", { class: "chip own", text: say("own text") })];
  const chips = [el("span", { class: "chip template", text: say("template") })];
  if (isUnread(sentence)) chips.push(el("span", { class: "unread", text: say("not reviewed") }));
  else if (sentence.decision !== "UNTOUCHED") chips.push(el("span", { text: say(DECISIONS[sentence.decision]) }));
  return chips;
}

function confidence(value) {
  const isLow = value < LOW_CONFIDENCE;
  const percent = `${Math.round(100 * value)} %`;
  const text = isLow ? `${percent} ${say("low confidence")}` : percent;
  return el("span", { class: isLow ? "confidence low" : "confidence", text, title: say("Confidence of the AI") });
}

/** What the AI wrote stays in sight beside what the reader made of it. */
function difference(sentence) {
  if (sentence.decision !== "EDITED" || !sentence.aiText || sentence.aiText === sentence.text) return null;
  return el(
    "details",
    { class: "difference", onclick: (event) => event.stopPropagation() },
    el("summary", { text: say("AI wrote") }),
    el("p", { text: sentence.aiText }),
  );
}

function buttons(sentence, actions) {
  const button = (name, key, run, pressed) =>
    el("button", {
      type: "button",
      text: name,
      title: `${name} (${key})`,
      "aria-keyshortcuts": key,
      "aria-pressed": pressed === undefined ? null : String(pressed),
      onclick: (event) => {
        event.stopPropagation();
        run(sentence.key);
      },
    });
  const isAi = sentence.origin === "AI";
  const mayAccept = isAi || isUnread(sentence) || (sentence.origin === "TEMPLATE" && sentence.decision === "ACCEPTED");
  return el(
    "div",
    { class: "acts" },
    mayAccept && button(say("Accept"), "a", actions.accept, sentence.decision === "ACCEPTED"),
    button(say("Edit"), "e", actions.edit),
    button(isAi ? say("Reject") : say("Remove"), "r", actions.reject, sentence.decision === "REJECTED"),
  );
}
