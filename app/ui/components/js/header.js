/** The head of every page: where one is, whose study is open, who is logged in; and the end of an idle session. */

import { idleFor } from "./activity.js";
import { call } from "./api.js";
import { el, hold, localDay } from "./dom.js";
import { firstAfter, returnFocusAfterDialogs } from "./focus.js";
import { bindKeys, holdKeysWhile } from "./keys.js";
import { link } from "./link.js";
import { language, say } from "./words.js";

/**
 * @typedef {{name: string, title: string}} Place
 * @typedef {object} HeaderData
 * @property {Place[]} places
 * @property {string} here
 * @property {string} user
 * @property {string} role
 * @property {{code: string, name: string}[]} languages
 * @property {string} csrf
 * @property {number} idleMinutes
 * @property {Object<string, any>|null} patient
 */

const headers = new WeakMap();
const CHECK_MS = 5000;

class Header {
  constructor() {
    this.places = el("nav", { "aria-label": say("Views") });
    this.menu = el("div", { class: "menu", id: "menu", popover: "auto", role: "group", "aria-label": say("More views") });
    // its Escape closes it, and is no key of the page
    this.menu.addEventListener("beforetoggle", () => holdKeysWhile(() => this.menu.matches(":popover-open")));
    this.more = el("button", { type: "button", class: "place", popovertarget: "menu", text: `${say("More")} \u25be` });
    this.patient = el("div", { class: "gap" });
    this.user = el("span", { class: "user" });
    this.spoken = el("select", { "aria-label": say("Language"), onchange: () => this.speak() });
    this.root = el(
      "header",
      { class: "head" },
      el("button", { type: "button", class: "skip", text: say("Skip to the content"), onclick: () => this.skip() }),
      el("span", { class: "brand" }, el("span", { class: "mark", "aria-hidden": true }), "Janus-Med"),
      this.places,
      this.more,
      this.menu,
      this.patient,
      this.spoken,
      this.user,
      el("button", { type: "button", class: "quiet", text: say("Log out"), onclick: () => this.leave() }),
    );
    this.watcher = new ResizeObserver(() => this.fit());
    /** @type {HeaderData|null} */
    this.data = null;
  }

  attach(setTriggerValue) {
    this.detach?.();
    this.trigger = setTriggerValue;
    this.watcher.observe(this.root);
    const timer = window.setInterval(() => this.checkIdle(), CHECK_MS);
    const back = { keys: ["w"], label: say("Back to the worklist"), group: say("Report"), run: () => this.goBack() };
    const stops = [
      bindKeys(this, [back]),
      returnFocusAfterDialogs(),
      link.follow(() => this.root.classList.toggle("texts-off", link.areTextsOff)),
      () => window.clearInterval(timer),
      () => this.watcher.disconnect(),
    ];
    this.detach = () => stops.forEach((stop) => stop());
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
    const isSame = this.shown === JSON.stringify(data);
    this.data = data;
    if (isSame) return;
    this.shown = JSON.stringify(data);
    this.links = data.places.map((place) => this.link(place));
    const strip = data.patient ? patientStrip(data.patient) : el("div", { class: "gap" });
    this.patient.replaceWith(strip);
    this.patient = strip;
    this.spoken.replaceChildren(
      ...data.languages.map(({ code, name }) => el("option", { value: code, lang: code, text: name })),
    );
    this.spoken.value = language();
    this.user.replaceChildren(el("strong", { text: data.user }), ` ${data.role}`);
    this.fit();
  }

  /** Show as many views as there is room for; the others are in the menu. With a patient on the screen all are. */
  fit() {
    if (!this.data) return;
    const { here, patient } = this.data;
    const keeps = (link) => link.dataset.name === (patient ? "worklist" : here);
    const inside = patient ? this.links.filter(keeps) : [...this.links];
    const lay = () => {
      this.places.replaceChildren(...inside);
      this.menu.replaceChildren(...this.links.filter((link) => !inside.includes(link)));
      this.more.hidden = inside.length === this.links.length;
    };
    lay();
    while (this.root.scrollWidth > this.root.clientWidth && inside.some((link) => !keeps(link))) {
      inside.splice(inside.findLastIndex((link) => !keeps(link)), 1);
      lay();
    }
  }

  link({ name, title }) {
    return el("button", {
      type: "button",
      class: "place",
      text: title,
      dataset: { name },
      "aria-current": name === this.data.here ? "page" : null,
      onclick: () => this.trigger("go", name),
    });
  }

  skip() {
    firstAfter(this.root.getRootNode().host)?.focus();
  }

  speak() {
    if (this.spoken.value !== language()) this.trigger("language", this.spoken.value);
  }

  async leave() {
    const answer = await call("POST", "/logout", { csrf: this.data.csrf }).catch(() => ({}));
    // an identity provider has a session of its own, which ends there
    window.location.assign(answer.address || "/login?why=out");
  }
}

function patientStrip(patient) {
  const born = [patient.sex, patient.birthDate && say("born {date}", { date: localDay(patient.birthDate) })];
  const study = [patient.modality, patient.description, localDay(patient.studyDate)].filter(Boolean).join("  ");
  return el(
    "div",
    { class: "patient", role: "group", "aria-label": say("Patient and study") },
    el(
      "div",
      {},
      el("strong", { class: "name", text: patient.name }),
      el("span", { text: say("ID {id}", { id: patient.id }) }),
      el("span", { text: born.filter(Boolean).join(", ") }),
    ),
    el(
      "div",
      {},
      el("span", { class: "study", text: study }),
      patient.accession && el("span", { text: say("Acc {number}", { number: patient.accession }) }),
      patient.priority > 0 && el("span", { class: "urgent", text: patient.priorityReason }),
      patient.revision > 1 && el("span", { class: "revision", text: say("revision {number}", { number: patient.revision }) }),
    ),
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
