/** The report editor: sentence by sentence, by key or mouse; every change goes straight to the server. */

import { whilePresent } from "./activity.js";
import { isAwaited } from "./asked.js";
import { Autosave, guardPage } from "./autosave.js";
import { banners, isLoud } from "./banners.js";
import { ChecksPanel } from "./checks.js";
import { makeDifference } from "./difference.js";
import { clockTime, hold, localTime } from "./dom.js";
import { Aids } from "./editor_aids.js";
import { Cards } from "./editor_cards.js";
import { Decisions } from "./editor_decisions.js";
import { makeEditorFrame, place, recordOf } from "./editor_frame.js";
import { reportKeys } from "./editor_keys.js";
import { Writing } from "./editor_writing.js";
import { fillDown } from "./fill.js";
import { findingsPanel } from "./findings.js";
import { showHelp } from "./help.js";
import { bindKeys } from "./keys.js";
import { link } from "./link.js";
import { keepPlace, keptPlace } from "./place_kept.js";
import { Pen } from "./pen.js";
import { ReadingTime } from "./reading_time.js";
import { ReportClient } from "./report_client.js";
import { hasUnsaved, Rescue } from "./rescue.js";
import { neighbour } from "./reading_order.js";
import { say } from "./words.js";

/** @typedef {import("./report_client.js").EditorData} EditorData */

const POLL_MS = 5000;
const editors = new WeakMap();

export class Editor {
  constructor() {
    this.autosave = new Autosave(
      (state) => this.showSaved(state),
      (key) => key.startsWith("text ") && this.rescue.refused.add(key.slice(5)),
    );
    this.rescue = new Rescue(this);
    this.pen = new Pen({ lost: () => this.losePen(), stay: () => this.poll() });
    this.client = new ReportClient();
    this.decisions = new Decisions(this);
    this.writing = new Writing(this);
    this.times = new ReadingTime(this);
    this.aids = new Aids(this);
    this.cards = new Cards(this);
    this.parts = makeEditorFrame({
      templates: () => this.aids.chooseTemplate(),
      macros: () => this.aids.chooseMacro(),
      dictate: () => this.aids.dictate(),
      add: (section) => this.writing.add(section),
      sign: () => this.sign(),
      critical: () => this.tellCritical(),
      help: () => showHelp(this.parts.help),
    });
    this.checks = new ChecksPanel({ choose: (key) => this.show(key), critical: () => this.tellCritical() });
    this.changes = makeDifference();
    this.parts.body.after(this.checks.root);
    this.parts.banners.after(this.rescue.root);
    this.parts.body.before(this.pen.notice);
    this.parts.root.append(this.changes, ...this.aids.dialogs);
    /** @type {EditorData|null} */
    this.data = null;
    /** @type {import("./link.js").Sentence[]} */
    this.sentences = [];
  }

  /** @param {EditorData} data */
  update(data) {
    const isNew = this.data?.reportId !== data.reportId;
    if (isNew) {
      this.sentences = [];
      this.aids.heard.clear();
      link.choose(null); // keys such as "ai-1" stand in every report
    }
    const isTaken = !isNew && this.data.mayEdit && !data.mayEdit;
    const typed = isTaken ? this.rescue.take() : null;
    // one's own signature puts the pen down too: nothing is lost by that
    const isSigned = isTaken && data.signatures.length > this.data.signatures.length;
    this.hadPen = data.mayEdit || isSigned ? false : isTaken || (!isNew && this.hadPen);
    if (isNew) this.rescue.refused.clear();
    if (isNew || !data.mayEdit) {
      this.writing.key = null;
      this.aids.dictation.cease();
    }
    const isOlder = !isNew && data.version < this.data.version;
    const before = this.data;
    this.data = isOlder ? { ...data, version: before.version, sentences: before.sentences } : data;
    this.client.open(data);
    if (!isOlder && !this.autosave.isPending) this.adopt(data.sentences);
    this.render();
    this.pen.watch(data);
    if (typed) this.rescue.catchKeys(typed);
    if (isNew) this.goToPlace();
  }

  /** Go on where this reader was before a reload; a text that was being written is open again. */
  goToPlace() {
    const kept = this.data.mayEdit && keptPlace(this.data.reportId);
    if (!kept || !this.sentence(kept.key)) return;
    if (kept.caret === null) this.show(kept.key);
    else this.writing.edit(kept.key, kept.caret);
  }

  keepPlace() {
    const { key } = this.writing;
    const caret = key ? (this.cards.field(key)?.selectionStart ?? null) : null;
    if (this.data?.mayEdit) keepPlace(this.data.reportId, this.client.keyOf(key ?? link.chosen ?? ""), caret);
  }

  /** Take over the sentences of the server; one that is being typed keeps its text. */
  adopt(sentences) {
    const typed = this.sentence(this.writing.key);
    const known = sentences.map((sentence) => this.client.underLocalKey(sentence));
    this.sentences = known.map((s) => (typed && s.key === typed.key ? { ...s, text: typed.text } : s));
    if (!typed || known.some(({ key }) => key === typed.key)) return;
    const at = this.sentences.findIndex(({ key }) => typed.after && key === typed.after) + 1;
    this.sentences.splice(at || this.sentences.length, 0, typed);
  }

  attach(setTriggerValue) {
    this.detach?.();
    this.trigger = setTriggerValue;
    const stops = [
      bindKeys(this, reportKeys(this)),
      link.follow(() => this.follow()),
      whilePresent(POLL_MS, () => this.poll()),
      guardPage(this.autosave, hasUnsaved),
      () => this.checks.stop(),
      this.times.start(),
      fillDown(this.parts.root),
    ];
    this.checks.again();
    this.detach = () => stops.forEach((stop) => stop());
  }

  /** @param {string|null} key */
  sentence(key) {
    return this.sentences.find((s) => s.key === key);
  }

  follow() {
    this.render();
    if (link.chosen && !this.writing.key) this.keepPlace();
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
    this.cards.focus(key);
  }

  change(key, values) {
    this.sentences = this.sentences.map((s) => (s.key === key ? { ...s, ...values } : s));
    this.render();
  }

  /** Send one change and take over what the server made of it. */
  async save(write) {
    const { report, savedAt } = await write();
    this.data = { ...this.data, version: report.version, state: report.state };
    this.adopt(report.sentences);
    this.render();
    return savedAt;
  }

  /** Who goes to another case puts the pen down: the page that was asked for is on its way, and nothing is told. */
  isLeaving(fresh) {
    return this.data.mayEdit && !fresh.mayEdit && !fresh.lock && isAwaited();
  }

  /** The server says that the pen is gone: what waits is tried once more, and then kept beside the report. */
  async losePen() {
    await this.autosave.flush();
    const fresh = await this.client.read();
    if (this.isLeaving(fresh)) return; // if it was something else, the server says it again
    const { reportId, mayEdit, signatures } = this.data;
    // a signature puts the pen down too: the page runs anew anyway, and another run would cross the next key
    if (fresh.reportId !== reportId || !mayEdit || fresh.signatures.length > signatures.length) return;
    this.update({ ...this.data, ...fresh });
    this.trigger("reload", Date.now());
  }

  /** Ask whether the report changed elsewhere: a late image, a takeover, a signature. */
  async poll() {
    if (this.autosave.isPending || !this.data) return;
    try {
      const fresh = await this.client.read();
      if (this.autosave.isPending) return;
      if (fresh.reportId !== this.data.reportId) return void this.trigger("reload", Date.now());
      if (this.isLeaving(fresh)) return;
      const before = this.data;
      this.update({ ...this.data, ...fresh });
      if (before.mayEdit !== fresh.mayEdit || before.superseded !== fresh.superseded) this.trigger("reload", Date.now());
    } catch (error) {
      this.showSaved({ state: "failed", text: error.message, at: null });
    }
  }

  async sign() {
    if (!this.data.signAs || !this.data.mayEdit) return;
    await this.writing.finish();
    const doubtful = this.aids.heard.first();
    if (doubtful) {
      this.show(doubtful);
      return this.showNote(say("Look at what was heard with doubt first (Alt+Enter)."));
    }
    if (await this.autosave.flush()) this.trigger("sign", { version: this.data.version, at: Date.now() });
  }

  async tellCritical() {
    if (!this.data.mayTellCritical) return;
    await this.writing.finish();
    if (await this.autosave.flush()) this.trigger("critical", Date.now());
  }

  showNote(text) {
    this.parts.note.textContent = text;
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
      place(list, this.sentences.filter((s) => s.section === section && isShown(s)).map((s) => this.cards.of(s)));
      parts.adds[section].hidden = !data.mayEdit;
    }
    this.rescue.draw();
    parts.banners.replaceChildren(...banners({ ...data, hadPen: this.hadPen }, this.sentences, (event) => this.trigger(event, Date.now())));
    parts.facts.replaceChildren(...recordOf(data, localTime));
    parts.version.textContent = say("version {number}", { number: data.version });
    for (const aid of [parts.templates, parts.macros, parts.dictate]) aid.hidden = !data.mayEdit;
    parts.critical.hidden = !data.mayTellCritical;
    parts.sign.hidden = !data.signAs || !data.mayEdit;
    parts.sign.textContent = data.signAs === "final" ? say("Sign final ...") : say("Sign preliminary ...");
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
}

/** What a former template said and nobody touched is neither text nor a decision to see. */
function isShown({ decision, text }) {
  return decision !== "REJECTED" || text !== "";
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
      it.aids.dictation.cease();
      void it.autosave.flush();
      it.detach();
      it.pen.stop();
      it.parts.root.remove();
    },
  );
  editor.attach(setTriggerValue);
  editor.update(data);
  return letGo;
}
