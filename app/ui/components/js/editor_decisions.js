/** What a reader decides about a sentence, by one key each, and where the eye goes next. */

import { link } from "./link.js";
import { normalOf } from "./normal.js";
import { nextUntouched } from "./reading_order.js";

export class Decisions {
  /** @param {import("./editor.js").Editor} editor */
  constructor(editor) {
    this.editor = editor;
    /** @type {string[]} Sentences in the order in which something was decided about them. */
    this.decided = [];
  }

  /** @param {string} key */
  accept(key) {
    return this.decide(key, "ACCEPTED", (k) => this.editor.client.accept(k));
  }

  /** Accept what is normal in the section of the chosen sentence, each for itself on record; the eye goes on from there. */
  acceptNormal() {
    const { data, sentences } = this.editor;
    if (!data.mayEdit) return;
    const section = link.chosenSentence?.section;
    for (const key of normalOf(sentences, section, data.findings ?? [])) this.accept(key);
  }

  /** @param {string} key */
  reject(key) {
    return this.decide(key, "REJECTED", (k) => this.editor.client.reject(k));
  }

  /** Take back the last decision; the eye goes there. */
  async undo() {
    const { editor } = this;
    const last = this.decided.pop();
    const key = last && editor.client.keyOf(last);
    if (!key || !editor.data.mayEdit || !editor.sentence(key)) return;
    editor.show(key);
    if (!(await editor.autosave.now(`reopen ${key}`, () => editor.save(() => editor.client.reopen(key))))) editor.poll();
    editor.focus(key);
  }

  async decide(key, decision, write) {
    const { editor } = this;
    const before = editor.sentence(key);
    if (!before || before.decision === decision) return;
    this.decided.push(key);
    if (decision === "REJECTED") editor.times.edited(before.section);
    editor.change(key, { decision });
    this.forward(key);
    if (!(await editor.autosave.now(`decide ${key}`, () => editor.save(() => write(key))))) editor.poll();
  }

  /** After a decision, go to the next sentence that nobody has looked at. */
  forward(key) {
    const next = nextUntouched(this.editor.sentences, key);
    if (!next) return;
    link.choose(next.key);
    this.editor.focus(next.key);
  }
}
