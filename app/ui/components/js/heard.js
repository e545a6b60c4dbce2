/** What was heard with doubt: it stays under its sentence until the reader has looked at it. */

import { joined, writeAt } from "./dictation.js";
import { el } from "./dom.js";
import { say } from "./words.js";

/** @typedef {import("./dictation.js").HeardWord} HeardWord */
/** @typedef {{root: HTMLElement, doubts: string[], withheld: {words: HeardWord[], reason: string}[]}} Note */

export class Heard {
  /** @param {import("./editor.js").Editor} editor */
  constructor(editor) {
    this.editor = editor;
    /** @type {Map<string, Note>} By the key that the screen uses. */
    this.notes = new Map();
    /** @type {Map<string, string>} What a sentence is called since the server knows it. */
    this.renamed = new Map();
  }

  /** The line of a sentence: one element, wherever its card is. */
  line(key) {
    return this.note(key).root;
  }

  /**
   * Take the words of an utterance: into the text, or beside it when they are doubtful as a whole.
   * @param {import("./dictation.js").Place} place
   * @param {{words: HeardWord[], reason: string}} answer
   */
  take({ key: began, area }, { words, reason }) {
    const key = this.renamed.get(began) ?? began;
    if (this.editor.writing.key !== key && !this.editor.sentence(key)) return this.editor.showNote(say("Heard after the text was gone: {text}", { text: joined(words) }));
    const note = this.note(key);
    const why = reason || (area.isConnected ? "" : say("the text was closed"));
    if (why) note.withheld.push({ words, reason: why });
    else this.insert(note, area, words);
    this.show(key);
  }

  insert(note, area, words) {
    note.doubts.push(...words.filter(({ doubtful }) => doubtful).map(({ text }) => text));
    writeAt(area, joined(words));
  }

  /** Alt+Enter: put in what was held back; without such, what was doubtful has been looked at. */
  settle(key) {
    const note = this.notes.get(key);
    if (!note || isClear(note)) return false;
    const [first] = note.withheld;
    if (first) {
      const { writing, cards } = this.editor;
      if (writing.key !== key) writing.edit(key);
      note.withheld.shift();
      this.insert(note, cards.field(key), first.words);
    } else {
      note.doubts = [];
    }
    this.show(key);
    return true;
  }

  /** Alt+Backspace: what was held back is not wanted. */
  drop(key) {
    const note = this.notes.get(key);
    if (!note?.withheld.length) return false;
    note.withheld.shift();
    this.show(key);
    return true;
  }

  /** A doubtful word that is no longer in the text needs no look. */
  prune(key, text) {
    const note = this.notes.get(key);
    if (!note?.doubts.length) return;
    const words = text.toLowerCase();
    note.doubts = note.doubts.filter((doubt) => words.includes(doubt.toLowerCase()));
    this.show(key);
  }

  /** A new sentence is called otherwise once the server knows it. */
  rename(key, known) {
    this.renamed.set(key, known);
    const note = this.notes.get(key);
    if (!note) return;
    this.notes.delete(key);
    note.root.remove();
    this.notes.set(known, { ...this.note(known), doubts: note.doubts, withheld: note.withheld });
    this.show(known);
  }

  /** Nothing of another report. */
  clear() {
    this.notes.clear();
    this.renamed.clear();
  }

  /** @returns {string|undefined} A sentence with something to look at. */
  first() {
    return this.editor.sentences.find(({ key, decision }) => decision !== "REJECTED" && !isClear(this.notes.get(key) ?? NOTHING))?.key;
  }

  note(key) {
    if (!this.notes.has(key)) this.notes.set(key, { root: el("div", { class: "heard", role: "status", hidden: true }), doubts: [], withheld: [] });
    return this.notes.get(key);
  }

  show(key) {
    const note = this.note(key);
    const { root, doubts, withheld } = note;
    root.hidden = isClear(note);
    const press = (text, run) => el("button", { type: "button", class: "choice", text, onmousedown: (event) => event.preventDefault(), onclick: () => void run(key) });
    const parts = [];
    if (doubts.length) parts.push(el("span", { text: say("Heard with doubt: {words}", { words: doubts.join(", ") }) }));
    if (withheld.length) {
      const { words, reason } = withheld[0];
      parts.push(el("span", { text: say("Not inserted, {reason}:", { reason }) }), el("q", { text: joined(words) }));
      parts.push(press(say("Insert (Alt+Enter)"), () => this.settle(key)), press(say("Drop (Alt+Backspace)"), () => this.drop(key)));
    } else if (doubts.length) {
      parts.push(press(say("Seen (Alt+Enter)"), () => this.settle(key)));
    }
    root.replaceChildren(...parts.flatMap((part) => [part, " "]));
  }
}

const NOTHING = { doubts: [], withheld: [] };

function isClear({ doubts, withheld }) {
  return doubts.length === 0 && withheld.length === 0;
}
