/** The worklist: one row a study, sorted and cut by the server, opened by a click or a key. */

import { el, hold, localTime } from "./dom.js";
import { getReadyForImages } from "./images_ready.js";
import { bindKeys } from "./keys.js";
import { say } from "./words.js";
import { cellOf, COLUMNS } from "./worklist_cells.js";
import { WorklistBar } from "./worklist_bar.js";
import { followChanges } from "./worklist_live.js";

/**
 * @typedef {{rows: any[], total: number, offset: number, limit: number, sort: string, descending: boolean,
 *   mayOpen: boolean, at: string, query: object, zone: string, csrf: string, hidden: string[],
 *   saved: {name: string, isDefault: boolean}[], applied: string}} WorklistData
 */

const lists = new WeakMap();
const AGES_MS = 30_000;

class Worklist {
  constructor() {
    this.head = el("tr");
    this.body = el("tbody");
    this.count = el("span", { class: "count", role: "status" });
    this.previous = el("button", { type: "button", text: say("Previous"), onclick: () => this.turn(-1) });
    this.next = el("button", { type: "button", text: say("Next"), onclick: () => this.turn(1) });
    this.trigger = () => undefined;
    this.bar = new WorklistBar((name, value) => this.trigger(name, value));
    const caption = el("caption", { class: "hidden", text: say("Studies") });
    const table = el("table", {}, caption, el("thead", {}, this.head), this.body);
    this.root = el(
      "section",
      { class: "worklist", "aria-label": say("Worklist") },
      this.bar.root,
      el("div", { class: "scroll" }, table),
      el("footer", {}, this.count, el("span", { class: "gap" }), this.previous, this.next),
    );
    /** @type {WorklistData|null} */
    this.data = null;
    this.chosen = null;
  }

  attach(setTriggerValue) {
    this.trigger = setTriggerValue;
    if (this.detach) return;
    const key = (keys, label, run) => ({ keys, label, group: say("Worklist"), run });
    const ages = window.setInterval(() => this.draw(), AGES_MS);
    const stops = [
      bindKeys(this, [
        key(["j", "ArrowDown"], say("Next study"), () => this.move(1)),
        key(["k", "ArrowUp"], say("Previous study"), () => this.move(-1)),
        key(["Enter"], say("Open the study"), () => this.chosen && this.open(this.chosen)),
        key(["N"], say("Open the next case that waits"), () => this.data.mayOpen && this.trigger("next", Date.now())),
        key(["PageDown"], say("Next page"), () => this.next.disabled || this.turn(1)),
        key(["PageUp"], say("Page before"), () => this.previous.disabled || this.turn(-1)),
        key(["/"], say("Search"), () => searchField()?.focus()),
        key(["1", "2", "3", "4", "5", "6", "7", "8", "9"], say("Saved filter"), ({ key: k }) => this.bar.choose(Number(k) - 1)),
        key(["0"], say("All studies"), () => this.bar.choose(-1)),
      ]),
      followChanges(() => this.data, (page) => this.update({ ...this.data, ...page })),
      () => window.clearInterval(ages),
    ];
    this.detach = () => stops.forEach((stop) => stop());
  }

  /** @param {WorklistData} data */
  update(data) {
    this.data = data;
    // the chosen study stays chosen wherever it moves; one that has left the page leaves the choice to the first
    if (!data.rows.some(({ study }) => study === this.chosen)) this.chosen = data.rows[0]?.study ?? null;
    this.bar.update(data);
    this.draw();
    const last = data.offset + data.rows.length;
    const values = { first: data.total ? data.offset + 1 : 0, last, total: data.total, time: localTime(data.at) };
    this.count.textContent = say("{first} to {last} of {total} studies, {time}", values);
    this.previous.disabled = data.offset === 0;
    this.next.disabled = last >= data.total;
  }

  /** Draw the rows; the row under the pointer stays where it is on the screen, and the focus on its study. */
  draw() {
    const scroll = this.body.closest(".scroll");
    const hadFocus = this.body.contains(this.body.getRootNode().activeElement);
    const before = this.rowOf(this.chosen)?.offsetTop;
    const columns = COLUMNS.filter(({ sort }) => !this.data.hidden.includes(sort));
    this.head.replaceChildren(...columns.map((column) => this.heading(column)));
    this.body.replaceChildren(...this.data.rows.map((row) => this.row(row, columns)));
    if (this.data.rows.length === 0) this.body.append(emptyRow(columns.length));
    const after = this.rowOf(this.chosen)?.offsetTop;
    if (before !== undefined && after !== undefined) scroll.scrollTop += after - before;
    this.mark(hadFocus);
  }

  rowOf(study) {
    return [...this.body.querySelectorAll("tr[data-study]")].find((row) => row.dataset.study === study);
  }

  heading({ sort, title, label }) {
    const isSorted = this.data.sort === sort;
    const order = this.data.descending ? "descending" : "ascending";
    const arrow = isSorted ? (this.data.descending ? " \u25be" : " \u25b4") : "";
    const text = say(title) + arrow;
    const button = el("button", { type: "button", text, title: label && say(label), onclick: () => this.sortBy(sort) });
    return el("th", { scope: "col", class: sort.replace(" ", "-"), "aria-sort": isSorted ? order : "none" }, button);
  }

  row(row, columns) {
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
      ...columns.map(({ sort }) => cellOf(sort, row)),
    );
  }

  mark(focus) {
    for (const row of this.body.querySelectorAll("tr[data-study]")) {
      const isChosen = row.dataset.study === this.chosen;
      row.tabIndex = isChosen ? 0 : -1;
      if (isChosen) row.setAttribute("aria-current", "true");
      else row.removeAttribute("aria-current");
      if (isChosen && focus) row.focus({ preventScroll: false });
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

function emptyRow(columns) {
  return el("tr", {}, el("td", { colspan: columns, class: "empty", text: say("No study matches.") }));
}

/** The field is the page's own, outside of this component. */
function searchField() {
  return document.querySelector(".st-key-worklist_text input");
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
  list.update(data);
  list.attach(setTriggerValue);
  if (data.mayOpen) getReadyForImages();
  return letGo;
}
