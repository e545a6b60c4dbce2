/** The earlier study beside the report: whose turn it was, what its report says, what changed since. */

import { call } from "./api.js";
import { el, localDay } from "./dom.js";
import { link } from "./link.js";
import { say } from "./words.js";

/**
 * @typedef {{study: string, date: string, modality: string, description: string, state: string, reason: string,
 *   report: {title: string, text: string}[], because: {why: string, value: string}[]}} Prior
 * @typedef {{text: string, key: string, ai: boolean, presence: string, probability: number|null}} Said
 * @typedef {{finding: string, kind: string, critical: boolean, why: string, now: Said|null, then: Said|null}} Change
 */

const AFTER_TYPING_MS = 1500;
const BECAUSE = {
  region: (value) => say("same region ({value})", { value }),
  kind: (value) => say("same kind of examination ({value})", { value }),
  first: () => say("the most relevant of those found"),
};
const STATES = {
  WANTED: () => say("on its way from the archive"),
  ATTACHED: () => say("here"),
  FAILED: () => say("could not be fetched"),
};
const KINDS = {
  new: () => say("new"),
  gone: () => say("gone"),
  cannot_tell: () => say("cannot tell"),
  not_mentioned: () => say("not mentioned"),
  still_there: () => say("still there"),
};
const WHY = {
  possible_both: () => say("only possible in both"),
  possible_one: () => say("only possible in one of the two"),
  sides: () => say("the sides differ"),
  silent_now: () => say("this report does not mention it"),
  silent_then: () => say("the earlier report does not mention it"),
};
const SOURCES = {
  signed: () => say("Compared with the report that was signed here."),
  archive: () => say("Compared with the archive's report, read by rules for English and German."),
  draft: () => say("Compared with an unsigned draft of the AI."),
  withdrawn: () => say("The earlier report was withdrawn: nothing is compared."),
  none: () => say("There is no earlier report to compare with."),
};

export class PriorPane {
  constructor() {
    this.choice = el("select", { "aria-label": say("Earlier study"), onchange: () => this.choose(this.choice.value) });
    this.because = el("p", { class: "because" });
    this.state = el("p", { class: "note" });
    this.acts = el("div", { class: "acts-of-pane" });
    this.changes = el("div", { class: "changes" });
    this.report = el("div", { class: "earlier-report" });
    const body = el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": say("What changed, and the earlier report") });
    body.append(this.changes, this.report);
    this.root = el("div", { class: "pane prior", hidden: true }, el("div", { class: "row" }, this.choice, this.acts), this.because, this.state, body);
    this.priors = [];
    this.chosen = "";
    this.compared = null;
    this.asked = 0;
    this.tell = () => {};
    this.go = () => {};
  }

  /** @param {import("./context.js").ContextData} data */
  update(data) {
    const before = JSON.stringify(this.priors);
    Object.assign(this, { study: data.study, csrf: data.csrf, priors: data.priors });
    if (JSON.stringify(data.priors) === before) return;
    this.choice.replaceChildren(...data.priors.map((prior) => el("option", { value: prior.study, text: name(prior) })));
    const known = data.priors.some(({ study }) => study === this.chosen);
    if (data.priors.length) this.choose(known ? this.chosen : data.priors[0].study);
  }

  attach() {
    return link.follow(() => this.later());
  }

  /** The report changed: what is compared has to follow, once the typing pauses. */
  later() {
    if (link.sentences === this.seen) return;
    this.seen = link.sentences;
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => this.compare(), AFTER_TYPING_MS);
  }

  shown() {
    this.compare();
  }

  choose(study) {
    this.chosen = study;
    this.choice.value = study;
    this.compared = null;
    this.render();
    this.compare();
  }

  get prior() {
    return this.priors.find(({ study }) => study === this.chosen) ?? null;
  }

  /** Compare anew; an answer that was overtaken is dropped. */
  async compare() {
    if (!this.prior) return;
    const mine = ++this.asked;
    const path = `/api/studies/${encodeURIComponent(this.study)}/priors/${encodeURIComponent(this.chosen)}/changes`;
    try {
      const compared = await call("GET", path, { csrf: this.csrf });
      if (mine === this.asked) this.compared = compared;
    } catch (error) {
      if (mine === this.asked) this.compared = { problem: error.message, changes: [] };
    }
    if (mine === this.asked) this.render();
    this.tell();
  }

  /** Beside the image; a viewer that cannot is left for the earlier study itself. */
  beside() {
    if (!link.openPrior(this.chosen)) this.go(this.chosen);
  }

  title() {
    if (!this.prior) return [];
    const changes = this.compared?.changes ?? [];
    const count = changes.filter(({ kind }) => kind === "new" || kind === "gone").length;
    const { date, modality } = this.prior;
    const parts = [say("Earlier: {date} {modality}", { date: localDay(date), modality })];
    if (count) parts.push(el("span", { class: "chip warn", text: say("{count} changed", { count }) }));
    parts.push(el("kbd", { "aria-hidden": "true", text: "h" }));
    return parts;
  }

  render() {
    const { prior } = this;
    if (!prior) return;
    this.because.textContent = reasonsOf(prior);
    const isHere = prior.state === "ATTACHED";
    const state = STATES[prior.state]?.() ?? prior.state;
    this.state.hidden = isHere;
    this.state.textContent = prior.reason ? `${state}: ${prior.reason}` : state;
    this.choice.hidden = false;
    this.acts.replaceChildren(
      ...(isHere
        ? [
            el("button", { type: "button", text: say("Show beside"), onclick: () => this.beside() }),
            el("button", { type: "button", class: "quiet", text: say("Open"), title: say("Leave this study and open the earlier one"), onclick: () => this.go(this.chosen) }),
          ]
        : []),
    );
    this.changes.replaceChildren(...this.comparison());
    this.report.replaceChildren(...reportOf(prior));
    this.tell();
  }

  comparison() {
    const { compared } = this;
    if (!compared) return [];
    if (compared.problem) return [el("p", { class: "note", role: "status", text: compared.problem })];
    const source = SOURCES[compared.source]?.() ?? "";
    const list = compared.changes.map((change) => changeRow(change, compared));
    const nothing = ["signed", "archive", "draft"].includes(compared.source) && list.length === 0;
    return [
      el("h2", { text: say("What changed") }),
      list.length > 0 && el("ul", { class: "change-list" }, ...list),
      nothing && el("p", { class: "note", text: say("No finding of the two texts can be compared.") }),
      el("p", { class: "note", text: `${source} ${say("A hint where to look: nothing of it is written into the report.")}` }),
    ].filter(Boolean);
  }
}

/** @param {Prior} prior */
function name({ date, modality, description }) {
  return [localDay(date) || say("date unknown"), modality, description].filter(Boolean).join(" ");
}

/** @param {Change} change */
function changeRow(change, { nowDate, thenDate }) {
  const head = el(
    "div",
    { class: "change-head" },
    el("span", { class: `chip ${change.critical ? "bad" : change.kind === "new" || change.kind === "gone" ? "warn" : ""}`, text: KINDS[change.kind]?.() ?? change.kind }),
    el("strong", { text: change.finding }),
    change.why && el("span", { class: "why", text: WHY[change.why]?.() ?? "" }),
  );
  return el("li", { dataset: { kind: change.kind } }, head, said(change.now, nowDate), said(change.then, thenDate));
}

/** One of the two sentences, with its date; a sentence of the report is a way to it. */
function said(statement, date) {
  if (!statement) return null;
  const mark = statement.ai && el("span", { class: "chip ai", text: say("AI") });
  const percent = statement.ai && statement.probability !== null && `${Math.round(100 * statement.probability)} %`;
  const words = statement.key && link.sentences.some(({ key }) => key === statement.key)
    ? el("button", { type: "button", class: "sentence-link", text: statement.text, onclick: () => link.choose(statement.key) })
    : el("q", { text: statement.text });
  const when = el("span", { class: "when", text: localDay(date) || say("date unknown") });
  return el("p", { class: "said" }, when, el("span", {}, words, mark, percent && ` ${percent}`));
}

/**
 * Say why an earlier study is worth a look; empty where nothing is known.
 * @param {Prior} prior
 */
export function reasonsOf(prior) {
  const known = prior.because.filter(({ why }) => why !== "first");
  const reasons = (known.length ? known : prior.because).map(({ why, value }) => BECAUSE[why]?.(value)).filter(Boolean);
  return reasons.length ? say("relevant because: {reasons}", { reasons: reasons.join(", ") }) : "";
}

/** @param {Prior} prior */
export function reportOf(prior) {
  const head = el("h2", { text: say("Earlier report") });
  if (prior.report.length === 0) return [head, el("p", { class: "note", text: say("No report came with this study.") })];
  return [head, ...prior.report.flatMap(({ title, text }) => [title && el("h3", { text: title }), el("p", { text })]).filter(Boolean)];
}
