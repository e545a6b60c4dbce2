/** Signed studies of other patients that look alike, without whose they are; searched when asked for. */

import { call } from "./api.js";
import { el } from "./dom.js";
import { say } from "./words.js";

/** @typedef {{number: number, similarity: number, age: string, sex: string, modality: string, findings: string, impression: string}} Similar */

const REASONS = {
  undrafted: () => say("No model has drafted this study, so there is nothing to compare it by."),
  none: () => say("No signed study of another patient that you may open can be compared."),
};

export class SimilarPane {
  constructor() {
    this.search = el("button", { type: "button", text: say("Find similar signed studies"), onclick: () => this.find() });
    this.note = el("p", { class: "note", role: "status" });
    this.list = el("ol", { class: "similar-list" });
    const body = el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": say("Similar signed studies") }, this.list);
    const caution = el("p", {
      class: "note",
      text: say("Found by how the AI sees the images. Names, dates, times and long numbers known to this system are taken out of the text; what is described instead of named stays."),
    });
    this.root = el("div", { class: "pane similar", hidden: true }, el("div", { class: "row" }, this.search, this.note), body, caution);
    this.tell = () => {};
    this.go = () => {};
  }

  /** @param {import("./context.js").ContextData} data */
  update(data) {
    if (this.study !== data.study) {
      this.list.replaceChildren();
      this.note.textContent = "";
    }
    Object.assign(this, { study: data.study, csrf: data.csrf });
  }

  attach() {
    return () => {};
  }

  shown() {}

  get path() {
    return `/api/studies/${encodeURIComponent(this.study)}/similar`;
  }

  async find() {
    this.search.disabled = true;
    this.note.textContent = say("searching ...");
    try {
      const found = await call("POST", this.path, { csrf: this.csrf, body: {} });
      this.list.replaceChildren(...found.studies.map((one) => this.card(one)));
      const searched = say("{count} drafted studies compared", { count: found.searched });
      const left = found.leftOut ? say("{count} older ones left out", { count: found.leftOut }) : "";
      this.note.textContent = REASONS[found.reason]?.() ?? [searched, left].filter(Boolean).join(", ");
    } catch (error) {
      this.note.textContent = error.message;
    } finally {
      this.search.disabled = false;
    }
  }

  /** @param {Similar} one */
  card({ number, similarity, age, sex, modality, findings, impression }) {
    const facts = [modality, sex, age && say("{age} years", { age })].filter(Boolean).join(", ");
    const open = el("button", { type: "button", class: "quiet", text: say("Open this study"), title: say("Leave this study and open the similar one: it shows whose it is"), onclick: () => this.open(number) });
    return el(
      "li",
      {},
      el("div", { class: "change-head" }, el("strong", { text: say("similarity {value}", { value: similarity.toFixed(2) }) }), el("span", { text: facts }), open),
      findings && el("p", {}, el("b", { text: `${say("Findings")}: ` }), findings),
      impression && el("p", {}, el("b", { text: `${say("Impression")}: ` }), impression),
    );
  }

  async open(number) {
    try {
      const { study } = await call("POST", `${this.path}/${number}/open`, { csrf: this.csrf, body: {} });
      this.go(study);
    } catch (error) {
      this.note.textContent = error.message;
    }
  }
}
