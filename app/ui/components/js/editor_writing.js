/** Writing in a sentence: beginning, typing, and being done with it. */

import { link } from "./link.js";
import { blankSentence } from "./reading_order.js";
import { grow } from "./sentence.js";

export class Writing {
  /** @param {import("./editor.js").Editor} editor */
  constructor(editor) {
    this.editor = editor;
    /** @type {string|null} The sentence that is being typed. */
    this.key = null;
    this.added = 0;
  }

  /** @param {string} key */
  edit(key) {
    this.key = key;
    link.choose(key);
    this.editor.render();
    const area = this.editor.cards.field(key);
    grow(area);
    area.focus();
    area.setSelectionRange(area.value.length, area.value.length);
  }

  type(key, text) {
    const { editor } = this;
    const old = editor.sentence(key);
    if (!old) return;
    Object.assign(old, { text, decision: "EDITED" });
    if (text.trim()) editor.autosave.soon(`text ${key}`, () => editor.save(() => editor.client.write(old)));
  }

  /** Done with a text: save it and give the keys back. */
  async leave(key) {
    const { editor } = this;
    const sentence = editor.sentence(key);
    this.key = null;
    if (sentence && !sentence.text.trim()) this.dropEmpty(sentence);
    editor.render();
    editor.focus(key);
    if (await editor.autosave.flush()) this.settle(key);
  }

  /** Done with whatever is being typed. */
  async finish() {
    if (this.key) await this.leave(this.key);
  }

  /** From now on the screen calls a new sentence what the server calls it. */
  settle(key) {
    const { editor } = this;
    const known = editor.client.keyOf(key);
    if (known === key) return;
    editor.client.settle(key);
    editor.sentences = editor.sentences.map((s) => (s.key === key ? { ...s, key: known } : s));
    const wasChosen = link.chosen === key;
    link.publish(editor.sentences);
    if (wasChosen) link.choose(known);
    editor.render();
    if (wasChosen) editor.focus(known);
  }

  /** A sentence emptied of its text is a refused one; one that was never written is forgotten. */
  dropEmpty(sentence) {
    const { editor } = this;
    if (editor.client.isUnwritten(sentence.key)) editor.sentences = editor.sentences.filter((s) => s !== sentence);
    else void editor.decisions.reject(sentence.key);
  }

  /** @param {string} section */
  add(section) {
    const { editor } = this;
    if (!editor.data.mayEdit) return;
    this.added += 1;
    const key = editor.client.localKey(this.added);
    editor.sentences = [...editor.sentences, blankSentence(key, section)];
    link.publish(editor.sentences);
    this.edit(key);
  }
}
