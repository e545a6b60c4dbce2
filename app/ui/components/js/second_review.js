/** A second review: the report as it was signed, the prior, and the score of another reader; by keyboard alone. */

import { el, hold } from "./dom.js";
import { bindKeys } from "./keys.js";
import { SecondPrior } from "./second_prior.js";
import { say } from "./words.js";

/**
 * @typedef {{review: number, sections: {name: string, text: string}[], scores: {value: string, meaning: string}[],
 *   prior: import("./second_prior.js").PriorOfReview|null, csrf: string, problem: string}} CaseData
 */

const cases = new WeakMap();
let made = 0;

class SecondReview {
  constructor() {
    made += 1;
    this.name = `second-review-score-${made}`;
    this.text = el("div", { class: "signed" });
    this.prior = new SecondPrior();
    this.scores = el("div", { class: "scores" });
    this.comment = /** @type {HTMLTextAreaElement} */ (
      el("textarea", { rows: 4, maxlength: 2000, "aria-label": say("Comment"), onkeydown: (e) => this.submitByKey(e) })
    );
    this.problem = el("p", { class: "problem", role: "alert" });
    this.root = el(
      "section",
      { class: "second-review", "aria-label": say("Second review") },
      this.text,
      this.prior.root,
      el("fieldset", {}, el("legend", { text: say("Score") }), this.scores),
      el("label", { class: "comment" }, say("Comment (a discrepancy needs one)"), this.comment),
      this.problem,
      el(
        "footer",
        {},
        el("button", { type: "button", class: "go", text: say("Score"), onclick: () => this.submit() }),
        el("button", { type: "button", text: say("Leave it to others"), onclick: () => this.giveBack() }),
        el("span", { class: "hint" }, say("y: choose a score with the arrows; u: comment; Ctrl+Enter: score")),
      ),
    );
    /** @type {CaseData|null} */
    this.data = null;
  }

  attach(setTriggerValue) {
    this.detach?.();
    this.trigger = setTriggerValue;
    const key = (keys, label, run) => ({ keys, label, group: say("Second review"), run });
    this.detach = bindKeys(this, [
      key(["h"], say("Earlier study"), () => this.prior.toggle()),
      key(["y"], say("Choose a score"), () => this.choose()),
      key(["u"], say("Write a comment"), () => this.comment.focus()),
    ]);
  }

  /** @param {CaseData} data */
  update(data) {
    if (this.data?.review !== data.review) {
      this.text.replaceChildren(...data.sections.flatMap(section));
      this.scores.replaceChildren(...data.scores.map((score) => this.option(score)));
      this.comment.value = "";
    }
    this.data = data;
    this.prior.update(data.prior, data.csrf);
    this.problem.textContent = data.problem;
  }

  option({ value, meaning }) {
    const input = el("input", { type: "radio", name: this.name, value, onkeydown: (e) => this.submitByKey(e) });
    return el("label", {}, input, el("b", { text: value }), meaning);
  }

  choose() {
    const inputs = /** @type {HTMLInputElement[]} */ ([...this.scores.querySelectorAll("input")]);
    (inputs.find((input) => input.checked) ?? inputs[0])?.focus();
  }

  submitByKey(event) {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    this.submit();
  }

  submit() {
    const chosen = /** @type {HTMLInputElement|null} */ (this.scores.querySelector("input:checked"));
    if (!chosen) {
      this.problem.textContent = say("Choose a score first.");
      this.choose();
      return;
    }
    this.trigger("score", { review: this.data.review, score: chosen.value, comment: this.comment.value, at: Date.now() });
  }

  giveBack() {
    this.trigger("back", this.data.review);
  }
}

function section({ name, text }) {
  return [el("h3", { text: name }), el("p", { text: text || "-" })];
}

/** Mount or update; called again with every rerun of the script. */
export default function mount({ parentElement, data, setTriggerValue }) {
  const [shown, letGo] = hold(
    parentElement,
    cases,
    () => {
      const it = new SecondReview();
      parentElement.append(it.root);
      return it;
    },
    (it) => {
      it.detach?.();
      it.root.remove();
    },
  );
  shown.attach(setTriggerValue);
  shown.update(data);
  return letGo;
}
