/** The cards of the sentences: an element stays the same as long as nothing about its sentence changed. */

import { isCriticalSentence } from "./banners.js";
import { link } from "./link.js";
import { sentenceCard } from "./sentence.js";

export class Cards {
  /** @param {import("./editor.js").Editor} editor */
  constructor(editor) {
    this.editor = editor;
    /** @type {Map<string, {card: HTMLElement, like: string}>} */
    this.known = new Map();
    const { decisions, writing } = editor;
    /** @type {import("./sentence.js").SentenceActions} */
    this.actions = {
      choose: (key) => link.choose(key),
      accept: (key) => decisions.accept(key),
      reject: (key) => decisions.reject(key),
      edit: (key) => writing.edit(key),
      type: (key, text) => writing.type(key, text),
      leave: (key) => void editor.aids.leave(key),
      split: (key, area) => writing.split(key, area),
      join: (key) => writing.join(key),
      shift: (key, way) => void writing.shift(key, way) ?? true,
      nextField: (key) => writing.nextField(key),
      dictate: () => editor.aids.dictate(),
      heardLine: (key) => editor.aids.heard.line(key),
      settleHeard: (key) => editor.aids.heard.settle(key),
      dropHeard: (key) => editor.aids.heard.drop(key),
      macros: () => editor.data.macros ?? [],
    };
  }

  /**
   * @param {import("./link.js").Sentence} sentence
   * @returns {HTMLElement}
   */
  of(sentence) {
    const editing = this.editor.writing.key === sentence.key;
    const { data } = this.editor;
    const critical = isCriticalSentence(sentence, data);
    const how = { chosen: link.chosen === sentence.key, editing, mayEdit: data.mayEdit, critical };
    const like = JSON.stringify(editing ? [sentence.key, how] : [sentence, how]);
    const known = this.known.get(sentence.key);
    if (known?.like === like) return known.card;
    const card = sentenceCard(sentence, how, this.actions);
    this.known.set(sentence.key, { card, like });
    return card;
  }

  /** The text field of the sentence that is being typed. */
  field(key) {
    return this.known.get(key).card.querySelector("textarea");
  }

  /** @param {string} key */
  focus(key) {
    const card = this.known.get(key)?.card;
    card?.focus({ preventScroll: true });
    card?.scrollIntoView({ block: "nearest" });
  }
}
