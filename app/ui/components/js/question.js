/** Questions to the image: typed, answered by the AI while the reader waits, never part of the report. */

import { whilePresent } from "./activity.js";
import { call } from "./api.js";
import { el, localTime } from "./dom.js";
import { link } from "./link.js";
import { say } from "./words.js";

/**
 * @typedef {{finding: string, box: number[], score: number}} AnswerRegion
 * @typedef {{id: number, text: string, by: string, state: string, reason: string, late: boolean, askedAt: string,
 *   endedAt: string|null, model: string, answer: null|{text: string, refused: string, finding: string,
 *   decision: string, probability: number|null, sop: string, regions: AnswerRegion[]}}} Question
 */

const POLL_MS = 1000;
const REFUSALS = {
  unknown: () => say("it is not among those the model can answer: whether a finding is present, where it is, how many nodules, which findings, whether the film is normal, which view"),
  several: () => say("it names several findings; ask about one at a time"),
  person: () => say("the model tells nothing about the person"),
  prognosis: () => say("the model tells nothing about the course of a disease"),
  treatment: () => say("the model gives no advice on treatment or further steps"),
  cause: () => say("the model names findings, not their cause"),
  comparison: () => say("the model reads one film and compares with none"),
  measurement: () => say("the model does not measure"),
  nature: () => say("the model tells whether a finding is present, not its degree, age or nature"),
  organ: () => say("the organ or structure is not among those the model judges"),
  technique: () => say("the model does not judge modality or technique"),
  not_counted: () => say("only lung nodules are counted, as one or several"),
  not_frontal: () => say("the image is not judged to be an upright frontal chest radiograph"),
};

export class QuestionPane {
  constructor() {
    this.field = /** @type {HTMLInputElement} */ (
      el("input", { type: "text", id: "question-field", autocomplete: "off", list: "question-examples", placeholder: say("for example: Where is the nodule?"), onkeydown: (event) => this.typed(event) })
    );
    this.examples = el("datalist", { id: "question-examples" });
    this.send = el("button", { type: "submit", text: say("Ask") });
    this.problem = el("p", { class: "problem", role: "alert" });
    this.list = el("ol", { class: "questions", "aria-live": "polite", "aria-label": say("Questions and answers") });
    const form = el(
      "form",
      { class: "row", onsubmit: (event) => this.ask(event) },
      el("label", { for: "question-field", text: say("Question to the image, in English") }),
      this.field,
      this.send,
      this.examples,
    );
    const note = el("p", { class: "note", text: say("AI answers are not part of the report, and nothing copies them there.") });
    const body = el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": say("Questions and answers") }, this.list);
    this.root = el("div", { class: "pane question", hidden: true }, form, this.problem, note, body);
    /** @type {Question[]} */
    this.questions = [];
    this.asked = 0;
    this.tell = () => {};
  }

  /** @param {import("./context.js").ContextData} data */
  update(data) {
    const isNew = this.study !== data.study;
    Object.assign(this, { study: data.study, csrf: data.csrf, mayAsk: data.mayAsk });
    this.field.maxLength = data.longest;
    this.examples.replaceChildren(...data.examples.map((value) => el("option", { value })));
    if (!isNew) return;
    this.questions = [];
    this.field.value = "";
    this.problem.textContent = "";
    this.render();
    if (data.mayAsk) this.look();
  }

  attach() {
    const stops = [link.follow(() => this.mark()), whilePresent(POLL_MS, () => this.waits && this.look())];
    return () => stops.forEach((stop) => stop());
  }

  shown() {
    if (this.mayAsk) this.look();
  }

  focus() {
    this.field.focus();
  }

  /** Esc gives the keys back. */
  typed(event) {
    if (event.key === "Escape") this.field.blur();
  }

  /** Whether an answer may still come: one that was given up for lack of a worker can be answered late. */
  get waits() {
    const late = (one) => one.state === "FAILED" && one.late && Date.now() - Date.parse(one.askedAt) < 600_000;
    return this.questions.some((one) => one.state === "PENDING" || late(one));
  }

  get path() {
    return `/api/studies/${encodeURIComponent(this.study)}/questions`;
  }

  async ask(event) {
    event.preventDefault();
    const text = this.field.value.trim();
    if (!text || this.send.disabled) return;
    this.send.disabled = true;
    this.problem.textContent = "";
    try {
      const asked = await call("POST", this.path, { csrf: this.csrf, body: { text } });
      this.field.value = "";
      this.take([...this.questions, asked]);
    } catch (error) {
      this.problem.textContent = error.message;
    } finally {
      this.send.disabled = false;
    }
  }

  async look() {
    const mine = ++this.asked;
    try {
      const { questions } = await call("GET", this.path, { csrf: this.csrf });
      if (mine === this.asked) this.take(questions);
    } catch (error) {
      if (mine === this.asked && this.waits) this.problem.textContent = error.message;
    }
  }

  take(questions) {
    if (JSON.stringify(questions) === JSON.stringify(this.questions)) return;
    this.questions = questions;
    this.render();
    this.tell();
  }

  title() {
    const waiting = this.questions.some(({ state }) => state === "PENDING");
    const count = this.questions.length;
    const chip = waiting ? say("waiting") : count ? String(count) : "";
    return [say("Ask the image"), chip && el("span", { class: "chip ai", text: chip }), el("kbd", { "aria-hidden": "true", text: "q" })].filter(Boolean);
  }

  render() {
    this.list.replaceChildren(...[...this.questions].reverse().map((one) => this.card(one)));
    this.list.hidden = this.questions.length === 0;
    this.mark();
  }

  /** @param {Question} question */
  card(question) {
    const asked = el("p", { class: "asked" }, el("strong", { text: question.text }), el("span", { class: "when", text: `${question.by}, ${localTime(question.askedAt)}` }));
    return el("li", { dataset: { question: question.id, state: question.state } }, asked, ...this.reply(question));
  }

  reply({ id, state, reason, answer, model }) {
    if (state === "PENDING") return [el("p", { class: "note", text: say("The AI is asked ...") })];
    if (state === "FAILED") return [el("p", { class: "note failed", text: say("No answer: {reason}", { reason }) })];
    const by = el("p", { class: "note" }, el("span", { class: "chip ai", text: say("AI answer - not part of the report") }), ` ${model}`);
    if (state === "REFUSED") {
      const because = REFUSALS[answer.refused]?.() ?? answer.text;
      return [el("p", { class: "reply refused", text: say("Cannot be answered: {reason}.", { reason: because }) }), by];
    }
    const probability = answer.probability === null ? null : el("span", { class: "probability", text: say("probability {percent} %", { percent: Math.round(100 * answer.probability) }) });
    const regions = answer.regions.map((region, number) => this.regionButton(id, answer, region, number));
    return [el("p", { class: "reply", text: answer.text }), by, el("div", { class: "evidence" }, probability, ...regions)];
  }

  regionButton(id, answer, region, number) {
    const label = say("AI answer: {finding}", { finding: region.finding });
    const shown = { sop: answer.sop, box: region.box, label };
    const text = say("Show {finding} on the image", { finding: answer.regions.length > 1 ? `${region.finding} ${number + 1}` : region.finding });
    const press = () => link.show(JSON.stringify(link.region) === JSON.stringify(shown) ? null : shown);
    return el("button", { type: "button", dataset: { region: JSON.stringify(shown) }, "aria-pressed": "false", text, onclick: press });
  }

  /** Mark the button of the region that is on the image. */
  mark() {
    const shown = JSON.stringify(link.region);
    for (const button of this.list.querySelectorAll("button[data-region]")) {
      button.setAttribute("aria-pressed", String(/** @type {HTMLElement} */ (button).dataset.region === shown));
    }
  }
}
