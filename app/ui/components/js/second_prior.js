/** The earlier study beside a second review: its report, without who wrote it; asked of the server when it is shown. */

import { call } from "./api.js";
import { el, localDay } from "./dom.js";
import { link } from "./link.js";
import { reasonsOf, reportOf } from "./prior.js";
import { say } from "./words.js";

/** @typedef {import("./prior.js").Prior & {open: string}} PriorOfReview `open` is where to ask for it. */

export class SecondPrior {
  constructor() {
    this.toggler = el("button", { type: "button", "aria-expanded": "false", "aria-controls": "earlier-of-review", onclick: () => this.toggle() });
    this.beside = el("button", { type: "button", text: say("Show beside"), onclick: () => link.openPrior(this.prior.study) });
    this.because = el("p", { class: "because" });
    this.report = el("div", { class: "earlier-report", role: "status" });
    this.body = el("div", { id: "earlier-of-review", hidden: true }, this.because, this.report);
    this.root = el("section", { class: "earlier", hidden: true, "aria-label": say("Earlier study") }, el("div", { class: "row" }, this.toggler, this.beside), this.body);
    /** @type {PriorOfReview|null} */
    this.prior = null;
    this.asked = false;
  }

  /**
   * @param {PriorOfReview|null} prior
   * @param {string} csrf
   */
  update(prior, csrf) {
    this.csrf = csrf;
    if (this.prior?.open === prior?.open) return;
    Object.assign(this, { prior, asked: false });
    this.root.hidden = !prior;
    this.open(false);
    this.report.replaceChildren();
    if (!prior) return;
    const { date, modality, description } = prior;
    const name = say("Earlier: {date} {modality}", { date: localDay(date) || say("date unknown"), modality });
    this.toggler.replaceChildren(name, el("kbd", { "aria-hidden": "true", text: "h" }));
    this.because.textContent = [description, reasonsOf(prior)].filter(Boolean).join("; ");
  }

  toggle() {
    if (this.prior) this.open(this.body.hidden);
  }

  open(isOpen) {
    this.body.hidden = !isOpen;
    this.toggler.setAttribute("aria-expanded", String(isOpen));
    if (isOpen && !this.asked) void this.ask();
  }

  /** The report comes with the request that records who looked at it. */
  async ask() {
    const { prior } = this;
    this.asked = true;
    this.report.replaceChildren(el("p", { class: "note", text: say("Loading ...") }));
    try {
      const found = await call("POST", prior.open, { csrf: this.csrf, body: {} });
      if (prior === this.prior) this.report.replaceChildren(...reportOf({ ...prior, report: found.sections }));
    } catch (error) {
      this.asked = false;
      if (prior === this.prior) this.report.replaceChildren(el("p", { class: "problem", text: error.message }));
    }
  }
}
