/** Aids of writing: the lists of macros and templates, own macros, dictation. */

import { Dictation, whyNot } from "./dictation.js";
import { el } from "./dom.js";
import { Heard } from "./heard.js";
import { link } from "./link.js";
import { Picker } from "./macros.js";
import { say } from "./words.js";

export class Aids {
  /** @param {import("./editor.js").Editor} editor */
  constructor(editor) {
    this.editor = editor;
    this.macros = new Picker(say("Macros"), say("In a text, .name and a space do the same."));
    this.templates = new Picker(say("Templates"), say("Only what nobody has touched is replaced."));
    this.heard = new Heard(editor);
    this.dictation = new Dictation(
      (text) => this.showDictation(text),
      (samples, signal) => editor.client.recognise(samples, signal),
      (place, answer) => this.heard.take(place, answer),
    );
    this.macros.foot.append(this.ownMacro());
    this.dialogs = [this.macros.root, this.templates.root];
  }

  chooseMacro() {
    const { editor } = this;
    if (!editor.data.mayEdit) return;
    this.macros.open(
      (editor.data.macros ?? []).map(({ name, text, own }) => ({
        title: `.${name}`,
        text: own ? `${text} (${say("own")})` : text,
        run: () => editor.writing.insert(text),
      })),
    );
  }

  chooseTemplate() {
    const { editor } = this;
    if (!editor.data.mayEdit) return;
    this.templates.open(
      (editor.data.templates ?? []).map(({ number, name, modality, bodyPart, language }) => ({
        title: name,
        text: [modality, bodyPart, language].filter(Boolean).join(", "),
        run: () => void this.use(number),
      })),
    );
  }

  async use(number) {
    const { editor } = this;
    await editor.writing.finish();
    await editor.autosave.now("template", () => editor.save(() => editor.client.useTemplate(number)));
    if (!editor.sentence(link.chosen)) link.choose(null);
  }

  /** A macro of one's own: made, changed, or with an empty text forgotten. */
  ownMacro() {
    const name = el("input", { type: "text", "aria-label": say("Name of the macro"), placeholder: say("name"), maxlength: 30 });
    const text = el("input", { type: "text", "aria-label": say("Text of the macro"), placeholder: say("text; empty removes it"), maxlength: 2000 });
    const told = el("output", { "aria-live": "polite" });
    const keep = async (event) => {
      event.preventDefault();
      const { client, data } = this.editor;
      try {
        data.macros = (await client.keepMacro(name.value, text.value)).macros;
        told.textContent = say("Kept.");
        name.value = text.value = "";
        this.chooseMacroAgain();
      } catch (error) {
        told.textContent = error.message;
      }
    };
    const button = el("button", { type: "submit", text: say("Keep as my macro") });
    return el("form", { class: "own-macro", onsubmit: keep }, name, text, button, told);
  }

  chooseMacroAgain() {
    this.macros.root.close();
    this.chooseMacro();
  }

  showDictation(text) {
    this.editor.showNote(text);
    this.editor.parts.dictate.setAttribute("aria-pressed", String(this.dictation.running !== null));
  }

  /** Begin or end dictation in the text that is being written. */
  dictate() {
    const { editor } = this;
    const reason = whyNot(editor.data.dictation);
    if (reason) return void editor.showNote(reason) ?? true;
    if (!editor.writing.key && link.chosen) editor.writing.edit(link.chosen);
    const { key } = editor.writing;
    if (!key) return true;
    this.dictation.toggle({ key, area: editor.cards.field(key) }, editor.data.dictation);
    return true;
  }

  /** Done with a text by key: what was said last belongs to it. */
  async leave(key) {
    const { writing } = this.editor;
    if (this.dictation.isBusy) await this.dictation.finish();
    if (writing.key === key) await writing.leave(key);
  }
}
