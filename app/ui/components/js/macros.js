/** Macros: `.name` expands while one types, and a list with a search puts one at the cursor. */

import { el } from "./dom.js";
import { holdKeysWhile } from "./keys.js";
import { say } from "./words.js";

/** @typedef {{name: string, text: string, own: boolean}} Macro */

/**
 * Put a macro's text in place of its name before the cursor.
 * @param {HTMLTextAreaElement} area
 * @param {Macro[]} macros
 * @param {string} key What ended the name.
 * @returns {boolean} Whether there was one.
 */
export function expandAt(area, macros, key) {
  if (area.selectionStart !== area.selectionEnd) return false;
  const before = area.value.slice(0, area.selectionStart);
  const found = /(?:^|\s)\.([\p{L}\p{N}][\p{L}\p{N}_-]*)$/u.exec(before);
  const macro = found && macros.find(({ name }) => name === found[1].toLowerCase());
  if (!macro) return false;
  const text = key === " " ? `${macro.text} ` : macro.text;
  area.setRangeText(text, before.length - found[1].length - 1, before.length, "end");
  area.dispatchEvent(new Event("input", { bubbles: true }));
  return true;
}

/** A dialog with everything that can be chosen by typing a part of its name. */
export class Picker {
  /**
   * @param {string} title
   * @param {string} hint Said below the list.
   */
  constructor(title, hint) {
    this.search = el("input", { type: "search", class: "search", "aria-label": title, oninput: () => this.list() });
    this.options = el("div", { class: "options", role: "listbox", "aria-label": title });
    this.foot = el("div", { class: "foot" });
    this.root = /** @type {HTMLDialogElement} */ (
      el("dialog", { class: "picker", "aria-label": title }, el("h2", { text: title }), this.search, this.options, this.foot, el("p", { text: hint }))
    );
    this.root.addEventListener("keydown", (event) => this.onKey(event));
    this.root.addEventListener("click", (event) => event.target === this.root && this.root.close());
  }

  /**
   * Show what can be chosen.
   * @param {{title: string, text: string, run: () => void}[]} choices
   */
  open(choices) {
    Object.assign(this, { choices, at: 0 });
    this.search.value = "";
    holdKeysWhile(() => this.root.open);
    this.root.showModal();
    this.list();
    this.search.focus();
  }

  get found() {
    const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    return this.choices.filter(({ title, text }) => words.every((word) => `${title} ${text}`.toLowerCase().includes(word)));
  }

  list() {
    const { found } = this;
    this.at = Math.max(0, Math.min(this.at, found.length - 1));
    const rows = found.map((choice, i) =>
      el(
        "div",
        {
          role: "option",
          class: "option",
          "aria-selected": String(i === this.at),
          onclick: () => this.take(choice),
        },
        el("strong", { text: choice.title }),
        el("span", { text: choice.text }),
      ),
    );
    this.options.replaceChildren(...(rows.length ? rows : [el("p", { text: say("Nothing of this name.") })]));
    rows[this.at]?.scrollIntoView({ block: "nearest" });
  }

  take(choice) {
    this.root.close();
    choice.run();
  }

  onKey(event) {
    if (event.target !== this.search) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) this.at += step;
    else if (event.key === "Enter" && this.found[this.at]) this.take(this.found[this.at]);
    else if (event.key !== "Enter") return;
    event.preventDefault();
    this.list();
  }
}
