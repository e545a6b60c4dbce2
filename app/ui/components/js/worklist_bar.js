/** Above the worklist: saved filters, by click or by number, and the choice of columns. */

import { el } from "./dom.js";
import { say } from "./words.js";
import { COLUMNS } from "./worklist_cells.js";

export class WorklistBar {
  /** @param {(name: string, value: unknown) => void} trigger */
  constructor(trigger) {
    this.trigger = trigger;
    this.chips = el("div", { class: "chips", role: "group", "aria-label": say("Saved filters") });
    const manage = el("button", { type: "button", class: "quiet", text: say("Save or change filters ..."), onclick: () => trigger("manage", Date.now()) });
    this.choice = el("div", { class: "columns" });
    const columns = el("details", {}, el("summary", { text: say("Columns") }), this.choice);
    this.inUse = el("span", { class: "inuse", role: "status" });
    this.root = el("div", { class: "bar" }, this.chips, manage, this.inUse, el("span", { class: "gap" }), columns);
    this.names = [];
  }

  /** @param {{saved: {name: string, isDefault: boolean}[], applied: string, hidden: string[],
   *   filters: number}} data */
  update({ saved, applied, hidden, filters }) {
    const shown = JSON.stringify([saved, applied, hidden, filters]);
    if (this.shown === shown) return;
    this.shown = shown;
    // a filter out of sight must not make anybody believe that there is nothing else to read
    this.inUse.textContent = filters ? say("{count} filter(s) in use, 0 shows all", { count: filters }) : "";
    this.names = saved.map(({ name }) => name);
    this.chips.replaceChildren(
      this.chip(say("All studies"), 0, !applied && !filters, -1),
      ...saved.map(({ name, isDefault }, at) => this.chip(isDefault ? `${name} \u2605` : name, at + 1, name === applied, at)),
    );
    this.choice.replaceChildren(...COLUMNS.filter(({ sort }) => sort !== "patient").map((column) => this.box(column, hidden)));
  }

  chip(name, key, isApplied, at) {
    const label = el("kbd", { text: key, "aria-hidden": "true" });
    return el("button", { type: "button", "aria-pressed": String(isApplied), onclick: () => this.choose(at) }, name, label);
  }

  /** @param {number} at -1 is the whole list. */
  choose(at) {
    if (at < this.names.length) this.trigger("saved", at < 0 ? "" : this.names[at]);
  }

  box({ sort, title, label }, hidden) {
    const input = el("input", { type: "checkbox", onchange: () => this.trigger("columns", { hidden: toggled(hidden, sort) }) });
    input.checked = !hidden.includes(sort);
    return el("label", {}, input, say(label ?? title));
  }
}

function toggled(hidden, sort) {
  return hidden.includes(sort) ? hidden.filter((one) => one !== sort) : [...hidden, sort];
}
