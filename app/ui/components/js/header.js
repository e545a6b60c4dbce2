/** The head of every page: where one is, whose study is open, who is logged in; and the end of an idle session. */

import { idleFor } from "./activity.js";
import { call } from "./api.js";
import { el, hold } from "./dom.js";
import { bindKeys } from "./keys.js";

/**
 * @typedef {{name: string, title: string}} Place
 * @typedef {object} HeaderData
 * @property {Place[]} places
 * @property {string} here
 * @property {string} user
 * @property {string} role
 * @property {string} csrf
 * @property {number} idleMinutes
 * @property {Object<string, any>|null} patient
 */

const headers = new WeakMap();
const CHECK_MS = 5000;

class Header {
  constructor() {
    this.root = el("header", { class: "head" });
    /** @type {HeaderData|null} */
    this.data = null;
  }

  attach(setTriggerValue) {
    this.detach?.();
    this.trigger = setTriggerValue;
    const timer = window.setInterval(() => this.checkIdle(), CHECK_MS);
    const back = { keys: ["w"], label: "Back to the worklist", group: "Report", run: () => this.goBack() };
    const release = bindKeys(this, [back]);
    this.detach = () => {
      window.clearInterval(timer);
      release();
    };
  }

  goBack() {
    if (this.data.places.some(({ name }) => name === "worklist")) this.trigger("go", "worklist");
  }

  /** A screen that nobody uses must not go on showing a patient. */
  checkIdle() {
    if (idleFor() > this.data.idleMinutes * 60_000) window.location.assign("/login?why=idle");
  }

  /** @param {HeaderData} data */
  update(data) {
    this.data = data;
    this.root.replaceChildren(
      el("span", { class: "brand" }, el("span", { class: "mark", "aria-hidden": true }), "Janus-Med"),
      el("nav", { "aria-label": "Views" }, ...data.places.map((place) => this.link(place))),
      data.patient ? patientStrip(data.patient) : el("span", { class: "gap" }),
      el("span", { class: "user" }, el("strong", { text: data.user }), ` ${data.role}`),
      el("button", { type: "button", class: "quiet", text: "Log out", onclick: () => this.leave() }),
    );
  }

  link({ name, title }) {
    return el("button", {
      type: "button",
      class: "place",
      text: title,
      "aria-current": name === this.data.here ? "page" : null,
      onclick: () => this.trigger("go", name),
    });
  }

  async leave() {
    const answer = await call("POST", "/logout", { csrf: this.data.csrf }).catch(() => ({}));
    // an identity provider has a session of its own, which ends there
    window.location.assign(answer.address || "/login?why=out");
  }
}

function patientStrip(patient) {
  const born = [patient.sex, patient.birthDate && `born ${patient.birthDate}`].filter(Boolean).join(", ");
  const study = [patient.modality, patient.description, patient.studyDate].filter(Boolean).join("  ");
  return el(
    "div",
    { class: "patient", role: "group", "aria-label": "Patient and study" },
    el("strong", { class: "name", text: patient.name }),
    el("span", { text: `ID ${patient.id}` }),
    born && el("span", { text: born }),
    el("span", { class: "study", text: study }),
    patient.accession && el("span", { text: `Acc ${patient.accession}` }),
    patient.priority > 0 && el("span", { class: "urgent", text: patient.priorityReason }),
    patient.revision > 1 && el("span", { class: "revision", text: `revision ${patient.revision}` }),
  );
}

/** Mount or update; called again with every rerun of the script. */
export default function mount({ parentElement, data, setTriggerValue }) {
  const [header, letGo] = hold(
    parentElement,
    headers,
    () => {
      const made = new Header();
      parentElement.append(made.root);
      return made;
    },
    (it) => {
      it.detach();
      it.root.remove();
    },
  );
  header.attach(setTriggerValue);
  header.update(data);
  return letGo;
}
