/** The text field of a sentence: keys of writing, macros that expand, choices of open fields, dictation. */

import { el } from "./dom.js";
import { choose, selectNextField, showChoices } from "./fields.js";
import { link } from "./link.js";
import { expandAt } from "./macros.js";
import { reportLanguage } from "./report_language.js";
import { language, say } from "./words.js";

/** @typedef {import("./sentence.js").SentenceActions} SentenceActions */

/**
 * Make the field.
 * @param {import("./link.js").Sentence} sentence
 * @param {SentenceActions} actions
 * @returns {HTMLElement}
 */
export function sentenceField(sentence, actions) {
  const { key } = sentence;
  const list = el("div", { class: "choices", role: "group", "aria-label": say("Choices, by key"), hidden: true });
  const area = /** @type {HTMLTextAreaElement} */ (
    el("textarea", {
      class: "field",
      rows: 2,
      spellcheck: true,
      lang: reportLanguage(link.sentences, language()),
      "aria-label": say("Text of the sentence"),
      oninput: () => {
        grow(area);
        actions.type(key, area.value);
      },
      onkeydown: (event) => onKey(event, area, key, actions),
      onclick: (event) => event.stopPropagation(),
      onselect: () => showChoices(list, area),
      onkeyup: () => showChoices(list, area),
    })
  );
  area.value = sentence.text;
  return el("div", {}, area, list);
}

function onKey(event, area, key, actions) {
  if (!acts(event, area, key, actions)) return;
  event.preventDefault();
  event.stopPropagation();
}

/** Do what a key means in a text; tell whether it meant anything but itself. */
function acts(event, area, key, actions) {
  if (event.isComposing) return false;
  const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey;
  if (event.key === "Escape" || (event.key === "Enter" && isPlain && !event.shiftKey)) {
    actions.leave(key);
    return true;
  }
  if (event.key === "d" && event.ctrlKey) return actions.dictate();
  if (event.key === "Enter" && event.altKey) return actions.settleHeard(key);
  if (event.key === "Backspace" && event.altKey) return actions.dropHeard(key);
  if (event.key === "Enter" && event.ctrlKey) return actions.split(key, area);
  if (event.key === "Backspace" && area.selectionStart === 0 && area.selectionEnd === 0) return actions.join(key);
  if (event.altKey && ["ArrowUp", "ArrowDown"].includes(event.key)) return actions.shift(key, event.key === "ArrowUp" ? "up" : "down");
  if (isPlain && choose(area, event.key)) return void selectNextField(area) ?? true;
  if (isPlain && [" ", "Tab"].includes(event.key) && expandAt(area, actions.macros(), event.key)) return true;
  // without a field left, Tab leaves the text as it does everywhere
  return event.key === "Tab" && isPlain && !event.shiftKey && (selectNextField(area) || actions.nextField(key));
}

/**
 * Give a text field the height of its text.
 * @param {HTMLTextAreaElement} area
 */
export function grow(area) {
  area.style.height = "auto";
  area.style.height = `${area.scrollHeight + 2}px`;
}
