/**
 * What stands in the way of signing, beside the text while it is written. It only shows: the server checks again
 * inside the transaction that signs.
 */

import { call } from "./api.js";
import { el } from "./dom.js";
import { say } from "./words.js";

/**
 * @typedef {{code: string, stop: boolean, critical: boolean, template: string, values: Object<string, string>,
 *   ours: string[], key: string, section: string}} Check
 * @typedef {{choose: (key: string) => void, critical: () => void}} ChecksActions
 */

const AFTER_MS = 300;

export class ChecksPanel {
  /** @param {ChecksActions} actions */
  constructor(actions) {
    this.actions = actions;
    this.status = el("h2", { class: "checks-status", "aria-live": "polite", text: say("Checks before signing") });
    this.list = el("ul", { class: "checks-list" });
    this.root = el("section", { class: "checks", "aria-label": say("Checks before signing"), hidden: true });
    this.root.append(this.status, this.list);
    this.asked = "";
    this.path = "";
  }

  /**
   * Check the report again when its version is another one.
   * @param {import("./report_client.js").EditorData} data
   */
  follow(data) {
    const isOn = Boolean(data.mayEdit && data.isEditable && !data.superseded);
    this.root.hidden = !isOn;
    const wanted = isOn ? `${data.reportId}/${data.version}` : "";
    if (wanted === this.asked) return;
    if (this.asked.split("/")[0] !== String(data.reportId)) this.forget();
    this.asked = wanted;
    this.path = `/api/reports/${data.reportId}/checks`;
    this.later();
  }

  /** What was said of another report says nothing of this one. */
  forget() {
    this.status.textContent = say("Checks before signing");
    this.root.dataset.state = "";
    this.list.replaceChildren();
  }

  /** Check again although the text is the same: a prior, an order or a critical result may have come. */
  again() {
    if (this.asked) this.later();
  }

  later() {
    clearTimeout(this.timer);
    if (this.asked) this.timer = setTimeout(() => this.read(), AFTER_MS);
  }

  stop() {
    clearTimeout(this.timer);
  }

  async read() {
    const asked = this.asked;
    try {
      const { checks } = await call("GET", this.path);
      if (asked === this.asked) this.show(checks);
    } catch (error) {
      if (asked === this.asked) this.fail(error.message);
    }
  }

  /** @param {Check[]} checks The stops first. */
  show(checks) {
    const stops = checks.filter(({ stop }) => stop).length;
    this.status.textContent = summary(stops, checks.length - stops);
    this.root.dataset.state = stops ? "stop" : checks.length ? "warning" : "clear";
    this.list.replaceChildren(...checks.map((check) => this.row(check)));
  }

  /** What could not be checked is said: silence would look like a report without a fault. */
  fail(message) {
    this.status.textContent = say("The checks could not be made: {reason}", { reason: message });
    this.root.dataset.state = "failed";
    this.list.replaceChildren();
  }

  /** @param {Check} check */
  row(check) {
    const kind = el("strong", { class: "kind", text: check.stop ? say("STOP") : say("WARNING") });
    const text = sentence(check);
    const body = check.key
      ? el("button", { type: "button", class: "quiet where", text, onclick: () => this.actions.choose(check.key) })
      : el("span", { class: "where", text });
    const tell =
      check.critical && el("button", { type: "button", text: say("Critical ..."), title: "c", onclick: this.actions.critical });
    return el("li", { dataset: { code: check.code, stop: String(check.stop) } }, kind, body, tell);
  }
}

/** @param {Check} check */
function sentence({ template, values, ours }) {
  const said = Object.fromEntries(Object.entries(values).map(([n, v]) => [n, ours.includes(n) ? say(v) : v]));
  const text = say(template, said);
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function summary(stops, warnings) {
  if (stops + warnings === 0) return say("Checks: nothing found");
  return say("Checks: {stops} stop(s), {warnings} warning(s)", { stops, warnings });
}
