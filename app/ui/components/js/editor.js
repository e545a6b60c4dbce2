/** The report editor: sentence by sentence, by key or mouse; every change goes straight to the server. */

import { whilePresent } from "./activity.js";
import { Autosave, guardPage } from "./autosave.js";
import { banners, isCriticalSentence, isLoud } from "./banners.js";
import { ChecksPanel } from "./checks.js";
import { makeDifference, showDifference } from "./difference.js";
import { clockTime, hold, localTime } from "./dom.js";
import { makeEditorFrame, place, recordOf } from "./editor_frame.js";
import { findingsPanel } from "./findings.js";
import { showHelp } from "./help.js";
import { bindKeys } from "./keys.js";
import { link } from "./link.js";
import { ReportClient } from "./report_client.js";
import { blankSentence, neighbour, nextUntouched } from "./reading_order.js";
import { grow, sentenceCard } from "./sentence.js";

/** @typedef {import("./report_client.js").EditorData} EditorData */

const POLL_MS = 5000;
const editors = new WeakMap();

class Editor {
  constructor() {
    this.parts = makeEditorFrame({
      add: (section) => this.add(section),
      sign: () => this.sign(),
      critical: () => this.tellCritical(),
      help: () => showHelp(this.parts.help),
    });
    this.checks = new ChecksPanel({ choose: (key) => this.show(key), critical: () => this.tellCritical() });
    this.changes = makeDifference();
    this.parts.body.after(this.checks.root);
    this.parts.root.append(this.changes);
    this.autosave = new Autosave((state) => this.showSaved(state));
    this.client = new ReportClient();
    /** @type {Map<string, {card: HTMLElement, like: string}>} */
    this.cards = new Map();
    this.editing = null;
    this.added = 0;
    /** @type {EditorData|null} */
    this.data = null;
    this.sentences = [];
  }

  /** @param {EditorData} data */
  update(data) {
    const isNew = this.data?.reportId !== data.reportId;
    if (isNew) Object.assign(this, { editing: null, sentences: [] });
    const isOlder = !isNew && data.version < this.data.version;
    const before = this.data;
    this.data = isOlder ? { ...data, version: before.version, sentences: before.sentences } : data;
    this.client.open(data);
    if (!isOlder && !this.autosave.isPending) this.adopt(data.sentences);
    if (!data.mayEdit) this.editing = null;
    this.render();
  }

  /** Take over the sentences of the server; one that is being typed keeps its text. */
  adopt(sentences) {
    const typed = this.sentences.find(({ key }) => key === this.editing);
    const known = sentences.map((sentence) => this.client.underLocalKey(sentence));
    this.sentences = known.map((s) => (typed && s.key === typed.key ? { ...s, text: typed.text } : s));
    if (typed && !known.some(({ key }) => key === typed.key)) this.sentences.push(typed);
  }

  attach(setTriggerValue) {
    this.detach?.();
    this.trigger = setTriggerValue;
    const stops = [
      bindKeys(this, this.bindings()),
      link.follow(() => this.render()),
      whilePresent(POLL_MS, () => this.poll()),
      guardPage(this.autosave),
      () => this.checks.stop(),
    ];
    this.checks.again();
    this.detach = () => stops.forEach((stop) => stop());
  }

  bindings() {
    const key = (keys, label, run, group = "Report") => ({ keys, label, group, run });
    const onChosen = (act) => () => link.chosen && this.data.mayEdit && act(link.chosen);
    return [
      key(["j", "ArrowDown"], "Next sentence", () => this.move(1)),
      key(["k", "ArrowUp"], "Previous sentence", () => this.move(-1)),
      key(["a"], "Accept the sentence", onChosen((k) => this.accept(k))),
      key(["e", "Enter"], "Edit the sentence (Enter or Esc when done)", onChosen((k) => this.edit(k))),
      key(["r"], "Reject the sentence", onChosen((k) => this.reject(k))),
      key(["n"], "New sentence in this section", () => this.add(link.chosenSentence?.section ?? "findings")),
      key(["c"], "Critical result: somebody must be told", () => this.tellCritical()),
      key(["d"], "Changes from the AI draft", () => showDifference(this.changes, this.data.reportId)),
      key(["s"], "Sign", () => this.sign()),
      key(["Escape"], "Choose nothing", () => link.choose(null)),
      key(["?"], "These keys", () => showHelp(this.parts.help)),
    ];
  }

  move(step) {
    const next = neighbour(this.sentences, link.chosen, step);
    if (!next) return;
    link.choose(next.key);
    this.focus(next.key);
  }

  show(key) {
    link.choose(key);
    this.focus(key);
  }

  focus(key) {
    const card = this.cards.get(key)?.card;
    card?.focus({ preventScroll: true });
    card?.scrollIntoView({ block: "nearest" });
  }

  change(key, values) {
    this.sentences = this.sentences.map((s) => (s.key === key ? { ...s, ...values } : s));
    this.render();
  }

  accept(key) {
    this.decide(key, "ACCEPTED", (k) => this.client.accept(k));
  }

  reject(key) {
    this.decide(key, "REJECTED", (k) => this.client.reject(k));
  }

  async decide(key, decision, write) {
    const refused = this.sentences.find((s) => s.key === key)?.decision;
    if (refused === decision) return;
    this.change(key, { decision });
    this.forward(key);
    if (!(await this.autosave.now(`decide ${key}`, () => this.save(() => write(key))))) this.poll();
  }

  /** After a decision, go to the next sentence of the AI that nobody has looked at. */
  forward(key) {
    const next = nextUntouched(this.sentences, key);
    if (!next) return;
    link.choose(next.key);
    this.focus(next.key);
  }

  edit(key) {
    this.editing = key;
    link.choose(key);
    this.render();
    const area = this.cards.get(key).card.querySelector("textarea");
    grow(area);
    area.focus();
    area.setSelectionRange(area.value.length, area.value.length);
  }

  type(key, text) {
    const old = this.sentences.find((s) => s.key === key);
    if (!old) return;
    Object.assign(old, { text, decision: "EDITED" });
    if (text.trim()) this.autosave.soon(`text ${key}`, () => this.save(() => this.client.write(old)));
  }

  /** Done with a text: save it and give the keys back. */
  async leave(key) {
    const sentence = this.sentences.find((s) => s.key === key);
    this.editing = null;
    if (sentence && !sentence.text.trim()) this.dropEmpty(sentence);
    this.render();
    this.focus(key);
    if (await this.autosave.flush()) this.settle(key);
  }

  /** From now on the screen calls a new sentence what the server calls it. */
  settle(key) {
    const known = this.client.keyOf(key);
    if (known === key) return;
    this.client.settle(key);
    this.sentences = this.sentences.map((s) => (s.key === key ? { ...s, key: known } : s));
    const wasChosen = link.chosen === key;
    link.publish(this.sentences);
    if (wasChosen) link.choose(known);
    this.render();
    if (wasChosen) this.focus(known);
  }

  /** A sentence emptied of its text is a refused one; one that was never written is forgotten. */
  dropEmpty(sentence) {
    if (this.client.isUnwritten(sentence.key)) this.sentences = this.sentences.filter((s) => s !== sentence);
    else this.reject(sentence.key);
  }

  add(section) {
    if (!this.data.mayEdit) return;
    this.added += 1;
    const key = this.client.localKey(this.added);
    this.sentences = [...this.sentences, blankSentence(key, section)];
    link.publish(this.sentences);
    this.edit(key);
  }

  /** Send one change and take over what the server made of it. */
  async save(write) {
    const { report, savedAt } = await write();
    this.data = { ...this.data, version: report.version, state: report.state };
    this.adopt(report.sentences);
    this.render();
    return savedAt;
  }

  /** Ask whether the report changed elsewhere: a late image, a takeover, a signature. */
  async poll() {
    if (this.autosave.isPending || !this.data) return;
    try {
      const fresh = await this.client.read();
      if (this.autosave.isPending || fresh.reportId !== this.data.reportId) return void this.trigger("reload", Date.now());
      const before = this.data;
      this.update({ ...this.data, ...fresh });
      if (before.mayEdit !== fresh.mayEdit || before.superseded !== fresh.superseded) this.trigger("reload", Date.now());
    } catch (error) {
      this.showSaved({ state: "failed", text: error.message, at: null });
    }
  }

  async sign() {
    if (!this.data.signAs || !this.data.mayEdit) return;
    if (this.editing) await this.leave(this.editing);
    if (await this.autosave.flush()) this.trigger("sign", { version: this.data.version, at: Date.now() });
  }

  async tellCritical() {
    if (!this.data.mayTellCritical) return;
    if (this.editing) await this.leave(this.editing);
    if (await this.autosave.flush()) this.trigger("critical", Date.now());
  }

  showSaved({ state, text, at }) {
    this.parts.saved.textContent = state === "saved" && at ? `saved ${clockTime(at)}` : text;
    this.parts.saved.dataset.state = state;
  }

  render() {
    const { parts, data } = this;
    if (!data) return;
    if (link.sentences !== this.sentences) link.publish(this.sentences);
    for (const [section, list] of Object.entries(parts.lists)) {
      place(list, this.sentences.filter((s) => s.section === section).map((s) => this.card(s)));
      parts.adds[section].hidden = !data.mayEdit;
    }
    parts.banners.replaceChildren(...banners(data, this.sentences, (event) => this.trigger(event, Date.now())));
    parts.facts.replaceChildren(...recordOf(data, localTime));
    parts.version.textContent = `version ${data.version}`;
    parts.critical.hidden = !data.mayTellCritical;
    parts.sign.hidden = !data.signAs || !data.mayEdit;
    parts.sign.textContent = data.signAs === "final" ? "Sign final ..." : "Sign preliminary ...";
    parts.root.dataset.state = data.state;
    this.showFindings(data.findings);
    this.checks.follow(data);
  }

  showFindings(findings) {
    if (this.listed === findings) return;
    this.listed = findings;
    const remarks = this.data.draft.issues.filter((issue) => !isLoud(issue)).map(({ message }) => message);
    this.parts.findings.replaceChildren(...[findingsPanel(findings, remarks)].filter(Boolean));
  }

  /** The card of a sentence; the same element as long as nothing about it changed. */
  card(sentence) {
    const editing = this.editing === sentence.key;
    const critical = isCriticalSentence(sentence, this.data);
    const how = { chosen: link.chosen === sentence.key, editing, mayEdit: this.data.mayEdit, critical };
    const like = JSON.stringify(editing ? [sentence.key, how] : [sentence, how]);
    const known = this.cards.get(sentence.key);
    if (known?.like === like) return known.card;
    const card = sentenceCard(sentence, how, this.actions);
    this.cards.set(sentence.key, { card, like });
    return card;
  }

  get actions() {
    return {
      choose: (key) => link.choose(key),
      accept: (key) => this.accept(key),
      reject: (key) => this.reject(key),
      edit: (key) => this.edit(key),
      type: (key, text) => this.type(key, text),
      leave: (key) => this.leave(key),
    };
  }
}

/** Mount or update; called again with every rerun of the script. */
export default function mount({ parentElement, data, setTriggerValue }) {
  const [editor, letGo] = hold(
    parentElement,
    editors,
    () => {
      const made = new Editor();
      parentElement.append(made.parts.root);
      return made;
    },
    (it) => {
      void it.autosave.flush();
      it.detach();
      it.parts.root.remove();
    },
  );
  editor.attach(setTriggerValue);
  editor.update(data);
  return letGo;
}
