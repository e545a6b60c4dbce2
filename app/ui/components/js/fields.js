/** Fields that a template leaves open: `[side]` is typed over, `[none|mild]` takes one key. */

import { el } from "./dom.js";
import { say } from "./words.js";

const FIELD = /\[([^[\]]*)\]/g;

/** @typedef {{start: number, end: number, choices: string[]}} OpenField */

/**
 * Return the open fields of a text.
 * @param {string} text
 * @returns {OpenField[]}
 */
export function fieldsIn(text) {
  return [...text.matchAll(FIELD)].map((found) => {
    const parts = found[1].split("|").map((part) => part.trim());
    return { start: found.index, end: found.index + found[0].length, choices: parts.length > 1 ? parts : [] };
  });
}

/**
 * Select the next open field of a text area.
 * @param {HTMLTextAreaElement} area
 * @returns {boolean} Whether there was one.
 */
export function selectNextField(area) {
  const fields = fieldsIn(area.value);
  const from = area.selectionEnd;
  const next = fields.find(({ start }) => start >= from) ?? (selectedField(area) ? null : fields[0]);
  if (!next) return false;
  area.setSelectionRange(next.start, next.end);
  return true;
}

/**
 * Return the field that is selected as a whole.
 * @param {HTMLTextAreaElement} area
 * @returns {OpenField|undefined}
 */
export function selectedField(area) {
  return fieldsIn(area.value).find(({ start, end }) => start === area.selectionStart && end === area.selectionEnd);
}

/**
 * Put a choice in place of the selected field.
 * @param {HTMLTextAreaElement} area
 * @param {string} key The key that was pressed.
 * @returns {boolean} Whether it was the key of a choice.
 */
export function choose(area, key) {
  const field = selectedField(area);
  const choice = /^[1-9]$/.test(key) ? field?.choices[Number(key) - 1] : undefined;
  if (choice === undefined) return false;
  area.setRangeText(choice, field.start, field.end, "end");
  area.dispatchEvent(new Event("input", { bubbles: true }));
  return true;
}

/**
 * Show the choices of the selected field below the text.
 * @param {HTMLElement} list
 * @param {HTMLTextAreaElement} area
 */
export function showChoices(list, area) {
  const field = selectedField(area);
  const choices = field?.choices ?? [];
  list.hidden = choices.length === 0;
  list.replaceChildren(
    ...choices.map((choice, i) =>
      el(
        "button",
        {
          type: "button",
          class: "choice",
          onmousedown: (event) => event.preventDefault(),
          onclick: () => {
            choose(area, String(i + 1));
            selectNextField(area);
            showChoices(list, area);
          },
        },
        el("kbd", { text: String(i + 1) }),
        ` ${choice}`,
      ),
    ),
  );
}

/**
 * Return a text with its open fields marked.
 * @param {string} text
 * @returns {(string|HTMLElement)[]}
 */
export function markedFields(text) {
  const parts = [];
  let at = 0;
  for (const { start, end } of fieldsIn(text)) {
    parts.push(text.slice(at, start));
    parts.push(el("mark", { class: "open", title: say("To be filled in (Tab)"), text: text.slice(start, end) }));
    at = end;
  }
  return [...parts, text.slice(at)];
}
