/** The worklist: one row a study, sorted and cut by the server, opened by a click or a key. */

import { whilePresent } from "./activity.js";
import { el, hold, localTime } from "./dom.js";
import { bindKeys } from "./keys.js";
import { cellsOf, COLUMNS } from "./worklist_cells.js";

/**
 * @typedef {{rows: any[], total: number, offset: number, limit: number, sort: string, descending: boolean,
 *   mayOpen: boolean, at: string}} WorklistData
 */

const lists = new WeakMap();
const REFRESH_MS = 8000;

class Worklist {
  constructor() {
    this.caption = el("caption", { class: "hidden", text: "Studies" });
    this.head = el("tr");
    this.body = el("tbody");
    this.count = el("span", { class: "count", role: "status" });
    this.previous = el("button", { type: "button", text: "Previous", onclick: () => this.turn(-1) });
    this.next = el("button", { type: "button", text: "Next", onclick: () => this.turn(1) });
    const table = el("table", {}, this.caption, el("thead", {}, this.head), this.body);
    const hint = el("span", { class: "hint", text: "j / k move, Enter opens" });
    this.root = el(
      "section",
      { class: "worklist", "aria-label": "Worklist" },
      el("div", { class: "scroll" }, table),
      el("footer", {}, this.count, el("span", { class: "gap" }), hint, this.previous, this.next),
    );
    /** @type {WorklistData|null} */
    this.data = null;
    this.chosen = null;
  }

  attach(setTriggerValue) {
    this.detach?.();
    this.trigger = setTriggerValue;
    const key = (keys, label, run) => ({ keys, label, group: "Worklist", run });
    const stops = [
      bindKeys(this, [
        key(["j", "ArrowDown"], "Next study", () => this.move(1)),
        key(["k", "ArrowUp"], "Previous study", () => this.move(-1)),
        key(["Enter"], "Open the study", () => this.chosen && this.open(this.chosen)),
      ]),
      whilePresent(REFRESH_MS, () => this.trigger("refresh", Date.now())),
    ];
    this.detach = () => stops.forEach((stop) => stop());
  }

  /** @param {WorklistData} data */
  update(data) {
    this.data = data;
    if (!data.rows.some(({ study }) => study === this.chosen)) this.chosen = data.rows[0]?.study ?? null;
    this.head.replaceChildren(...COLUMNS.map((column) => this.heading(column)));
    this.body.replaceChildren(...data.rows.map((row) => this.row(row)));
    if (data.rows.length === 0) this.body.append(emptyRow());
    const last = data.offset + data.rows.length;
    this.count.textContent = `${data.total ? data.offset + 1 : 0} to ${last} of ${data.total} studies, ${localTime(data.at)}`;
    this.previous.disabled = data.offset === 0;
    this.next.disabled = last >= data.total;
    this.mark(false);
  }

  heading({ sort, title }) {
    const isSorted = this.data.sort === sort;
    const order = this.data.descending ? "descending" : "ascending";
    const arrow = isSorted ? (this.data.descending ? " \u25be" : " \u25b4") : "";
    const button = el("button", { type: "button", text: title + arrow, onclick: () => this.sortBy(sort) });
    return el("th", { scope: "col", "aria-sort": isSorted ? order : "none" }, button);
  }

  row(row) {
    return el(
      "tr",
      {
        tabindex: -1,
        dataset: { study: row.study },
        class: row.priority > 0 ? "urgent" : null,
        onclick: () => this.open(row.study),
        onfocus: () => {
          this.chosen = row.study;
          this.mark(false);
        },
      },
      ...cellsOf(row),
    );
  }

  mark(focus) {
    for (const row of this.body.querySelectorAll("tr[data-study]")) {
      const isChosen = row.dataset.study === this.chosen;
      row.tabIndex = isChosen ? 0 : -1;
      row.toggleAttribute("aria-current", isChosen);
      if (isChosen && focus) row.focus();
    }
  }

  move(step) {
    const { rows } = this.data;
    const at = rows.findIndex(({ study }) => study === this.chosen);
    const next = rows[Math.min(rows.length - 1, Math.max(0, at + step))];
    if (!next) return;
    this.chosen = next.study;
    this.mark(true);
  }

  open(study) {
    if (this.data.mayOpen) this.trigger("open", study);
  }

  sortBy(sort) {
    const descending = this.data.sort === sort ? !this.data.descending : sort === "priority";
    this.trigger("sort", { sort, descending });
  }

  turn(pages) {
    this.trigger("turn", Math.max(0, this.data.offset + pages * this.data.limit));
  }
}

function emptyRow() {
  return el("tr", {}, el("td", { colspan: COLUMNS.length, class: "empty", text: "No study matches." }));
}

/** Mount or update; called again with every rerun of the script. */
export default function mount({ parentElement, data, setTriggerValue }) {
  const [list, letGo] = hold(
    parentElement,
    lists,
    () => {
      const made = new Worklist();
      parentElement.append(made.root);
      return made;
    },
    (it) => {
      it.detach();
      it.root.remove();
    },
  );
  list.attach(setTriggerValue);
  list.update(data);
  return letGo;
}
