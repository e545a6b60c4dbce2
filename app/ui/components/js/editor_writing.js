/** Writing in a sentence: beginning, typing, and being done with it. */

import { fieldsIn, selectNextField } from "./fields.js";
import { link } from "./link.js";
import { blankSentence, inReadingOrder } from "./reading_order.js";
import { grow } from "./sentence_field.js";

export class Writing {
  /** @param {import("./editor.js").Editor} editor */
  constructor(editor) {
    this.editor = editor;
    /** @type {string|null} The sentence that is being typed. */
    this.key = null;
    this.added = 0;
  }

  /**
   * @param {string} key
   * @param {number} [caret] At the end without.
   */
  edit(key, caret) {
    this.key = key;
    this.began = this.editor.sentence(key)?.text ?? "";
    link.choose(key);
    this.editor.render();
    const area = this.editor.cards.field(key);
    grow(area);
    area.focus();
    const at = caret ?? area.value.length;
    area.setSelectionRange(at, at);
    return area;
  }

  /** Go to the next open field of the report, from the chosen sentence on. */
  nextField(from = link.chosen) {
    const { editor } = this;
    if (!editor.data.mayEdit) return false;
    const ordered = inReadingOrder(editor.sentences).filter(({ decision }) => decision !== "REJECTED");
    const at = ordered.findIndex(({ key }) => key === from);
    const order = [...ordered.slice(at + 1), ...ordered.slice(0, at + 1)];
    const next = order.find((s) => s.key !== this.key && fieldsIn(s.text).length > 0);
    if (!next) return false;
    if (this.key) void this.leave(this.key, false);
    const area = this.edit(next.key, 0);
    selectNextField(area);
    return true;
  }

  /** Put a text at the cursor of the sentence that is being written, or into a new one. */
  insert(text) {
    const { editor } = this;
    if (!editor.data.mayEdit) return;
    if (!this.key) this.add(link.chosenSentence?.section ?? "findings");
    const area = editor.cards.field(this.key);
    const before = area.value.slice(0, area.selectionStart);
    area.setRangeText(before && !/\s$/.test(before) ? ` ${text}` : text, area.selectionStart, area.selectionEnd, "end");
    area.dispatchEvent(new Event("input", { bubbles: true }));
    area.focus();
    if (fieldsIn(text).length > 0) {
      area.setSelectionRange(before.length, before.length);
      selectNextField(area);
    }
  }

  /** Two sentences of one, at the cursor: what follows is the reader's own. */
  split(key, area) {
    const [head, tail] = [area.value.slice(0, area.selectionStart).trim(), area.value.slice(area.selectionEnd).trim()];
    const old = this.editor.sentence(key);
    if (!head || !tail || !old) return false;
    area.value = head;
    this.type(key, head);
    void this.leave(key, false);
    this.add(old.section, key, tail);
    return true;
  }

  /** Join a text of one's own to the sentence before it. */
  join(key) {
    const { editor } = this;
    const own = editor.sentence(key);
    const inSection = editor.sentences.filter((s) => s.section === own?.section && s.decision !== "REJECTED");
    const before = inSection[inSection.findIndex((s) => s.key === key) - 1];
    if (!own || own.origin !== "HUMAN" || !before) return false;
    const caret = before.text.length;
    const text = [before.text, own.text.trim()].filter(Boolean).join(" ");
    this.key = null;
    editor.change(before.key, { text });
    this.type(before.key, text);
    this.dropEmpty({ ...own, text: "" });
    this.edit(before.key, caret);
    return true;
  }

  /** Let the sentence change places with its neighbour; what is written meanwhile is kept. */
  async shift(key, way) {
    const { editor } = this;
    if (!(await editor.autosave.flush())) return;
    if (editor.client.isUnwritten(key)) return;
    await editor.autosave.now(`move ${key}`, () => editor.save(() => editor.client.move(key, way)));
    if (this.key === key) editor.cards.field(key).focus();
    else editor.focus(key);
  }

  type(key, text) {
    const { editor } = this;
    const old = editor.sentence(key);
    if (!old) return;
    Object.assign(old, { text, decision: "EDITED" });
    editor.aids.heard.prune(key, text);
    editor.keepPlace();
    if (text.trim()) editor.autosave.soon(`text ${key}`, () => editor.save(() => editor.client.write(old)));
  }

  /** Done with a text: save it and give the keys back. */
  async leave(key, keepsFocus = true) {
    const { editor } = this;
    const sentence = editor.sentence(key);
    this.key = null;
    if (sentence && sentence.text !== this.began) editor.times.edited(sentence.section);
    if (sentence && !sentence.text.trim()) this.dropEmpty(sentence);
    editor.aids.dictation.stop();
    editor.render();
    if (keepsFocus) editor.focus(key);
    editor.keepPlace();
    if (await editor.autosave.flush()) this.settle(key);
  }

  /** Done with whatever is being typed. */
  async finish() {
    if (this.key) await this.editor.aids.leave(this.key);
  }

  /** From now on the screen calls a new sentence what the server calls it. */
  settle(key) {
    const { editor } = this;
    const known = editor.client.keyOf(key);
    if (known === key) return;
    editor.client.settle(key);
    editor.aids.heard.rename(key, known);
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
    editor.autosave.forget(`text ${sentence.key}`);
    if (editor.client.isUnwritten(sentence.key)) editor.sentences = editor.sentences.filter((s) => s.key !== sentence.key);
    else void editor.decisions.reject(sentence.key);
  }

  /**
   * @param {string} section
   * @param {string} [after] The sentence that it follows; at the end without.
   * @param {string} [text]
   */
  add(section, after = "", text = "") {
    const { editor } = this;
    if (!editor.data.mayEdit) return;
    this.added += 1;
    const key = editor.client.localKey(this.added);
    const made = { ...blankSentence(key, section), after, text };
    const at = after ? editor.sentences.findIndex((s) => s.key === after) + 1 : editor.sentences.length;
    editor.sentences = editor.sentences.toSpliced(at, 0, made);
    link.publish(editor.sentences);
    this.edit(key, text ? 0 : undefined);
    if (text) this.type(key, text);
  }
}
