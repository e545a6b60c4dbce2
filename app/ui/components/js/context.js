/** What stands beside a report: the earlier study and what changed, questions to the image, similar studies. */

import { el, hold } from "./dom.js";
import { bindKeys } from "./keys.js";
import { link } from "./link.js";
import { PriorPane } from "./prior.js";
import { QuestionPane } from "./question.js";
import { SimilarPane } from "./similar.js";
import { say } from "./words.js";

/**
 * @typedef {object} ContextData What the server says of an open study.
 * @property {string} study
 * @property {string} csrf
 * @property {string} date Of the current study.
 * @property {import("./prior.js").Prior[]} priors
 * @property {{key: string, text: string, word: string}[]} comparisons Sentences that compare with nothing.
 * @property {boolean} mayAsk
 * @property {boolean} maySearch
 * @property {number} longest Characters of a question.
 * @property {string[]} examples Of questions.
 * @property {string} model
 */

const KEPT = "janus-context";
const ROOM = "--beside-editor";
const panels = new WeakMap();

class ContextPanel {
  constructor() {
    this.alert = el("div", { class: "alerts" });
    this.bar = el("div", { class: "bar-of-panes" });
    this.room = el("div", { class: "panes" });
    this.root = el("section", { class: "context", "aria-label": say("Beside the report") }, this.alert, this.bar, this.room);
    this.panes = { prior: new PriorPane(), question: new QuestionPane(), similar: new SimilarPane() };
    this.buttons = Object.fromEntries(Object.keys(this.panes).map((name) => [name, this.button(name)]));
    this.bar.append(...Object.values(this.buttons));
    for (const [name, pane] of Object.entries(this.panes)) {
      pane.root.id = `pane-${name}`;
      pane.tell = () => this.render();
      this.room.append(pane.root);
    }
    this.open = null;
    /** @type {ContextData|null} */
    this.data = null;
    this.size = new ResizeObserver(() => this.measure());
    this.size.observe(this.root);
    this.size.observe(document.body);
  }

  button(name) {
    return el("button", {
      type: "button",
      "aria-expanded": "false",
      "aria-controls": `pane-${name}`,
      onclick: () => this.toggle(name),
    });
  }

  /** @param {ContextData} data */
  update(data) {
    const isNew = this.data?.study !== data.study;
    this.data = data;
    for (const pane of Object.values(this.panes)) pane.update(data);
    if (isNew) this.show(this.first());
    this.render();
  }

  /** The pane that this reader left open the last time, as far as this study has it; the earlier study at first. */
  first() {
    const kept = window.sessionStorage.getItem(KEPT) ?? "prior";
    return kept === "prior" && this.data.priors.length > 0 ? kept : null;
  }

  attach(setTriggerValue) {
    this.detach?.();
    this.panes.prior.go = this.panes.similar.go = (study) => setTriggerValue("open", study);
    const stops = [bindKeys(this, this.bindings()), ...Object.values(this.panes).map((pane) => pane.attach())];
    this.detach = () => stops.forEach((stop) => stop());
  }

  bindings() {
    const key = (keys, label, run) => ({ keys, label, group: say("Beside the report"), run });
    const bound = [];
    if (this.data.priors.length) bound.push(key(["h"], say("Earlier study and what changed"), () => this.toggle("prior")));
    if (this.data.mayAsk) bound.push(key(["q"], say("Question to the image"), () => this.ask()));
    return bound;
  }

  toggle(name) {
    this.show(this.open === name ? null : name);
    window.sessionStorage.setItem(KEPT, this.open ?? "");
    this.render();
  }

  show(name) {
    this.open = name;
    for (const [each, pane] of Object.entries(this.panes)) {
      pane.root.hidden = each !== name;
      if (each === name) pane.shown();
    }
    if (name !== "question") link.show(null);
  }

  ask() {
    if (this.open !== "question") this.toggle("question");
    this.panes.question.focus();
  }

  render() {
    const { priors, mayAsk, maySearch } = this.data;
    const { prior, question, similar } = this.buttons;
    prior.hidden = priors.length === 0;
    question.hidden = !mayAsk;
    similar.hidden = !maySearch;
    prior.replaceChildren(...this.panes.prior.title());
    question.replaceChildren(...this.panes.question.title());
    similar.replaceChildren(say("Similar"));
    similar.title = say("Similar signed studies");
    for (const [name, button] of Object.entries(this.buttons)) {
      button.setAttribute("aria-expanded", String(this.open === name));
    }
    this.alert.replaceChildren(...this.data.comparisons.map(flag));
    this.root.hidden = priors.length === 0 && !mayAsk && !maySearch && this.data.comparisons.length === 0;
  }

  /** Tell the editor how much of the column is taken, so that its foot stays on the screen. */
  measure() {
    const host = /** @type {ShadowRoot} */ (this.root.getRootNode()).host;
    const column = host?.closest(".stColumn");
    if (!column) return;
    // what stands above the panel in its column takes room too
    const taken = host.getBoundingClientRect().bottom - column.getBoundingClientRect().top;
    document.documentElement.style.setProperty(ROOM, `${Math.ceil(taken) + 6}px`);
  }

  release() {
    this.detach?.();
    this.size.disconnect();
    document.documentElement.style.removeProperty(ROOM);
    link.show(null);
  }
}

/** A sentence of the AI that compares although there is nothing to compare with (U6). */
function flag({ key, text, word }) {
  return el(
    "div",
    { class: "flag", role: "status" },
    el("strong", { text: say("NO EARLIER STUDY") }),
    el("span", { text: say("The draft compares (“{word}”), but no earlier study of this patient is known:", { word }) }),
    el("button", { type: "button", class: "sentence-link", text, onclick: () => link.choose(key) }),
  );
}

export default function mount({ data, parentElement, setTriggerValue }) {
  const [panel, letGo] = hold(parentElement, panels, () => new ContextPanel(), (it) => it.release());
  if (panel.root.parentNode !== parentElement) parentElement.append(panel.root);
  panel.update(data);
  panel.attach(setTriggerValue);
  return letGo;
}
