/** Text that its writer could not save any more, because the pen was gone: in sight until it is copied or let go of. */

import { el } from "./dom.js";
import { say } from "./words.js";

/** @typedef {{key: string, section: string, text: string, isSaved: boolean}} Kept */

/** By report, in the memory of this page alone: text of a report is not written into a browser's store. */
/** @type {Map<number, Kept[]>} */
const kept = new Map();

/** Whether some text of this page is nowhere else. */
export function hasUnsaved() {
  return [...kept.values()].some((texts) => texts.some(({ isSaved }) => !isSaved));
}

export class Rescue {
  /** @param {import("./editor.js").Editor} editor */
  constructor(editor) {
    this.editor = editor;
    /** @type {Set<string>} Sentences whose text the server has refused. */
    this.refused = new Set();
    this.list = el("ul");
    this.root = el("section", { class: "rescue", "aria-label": say("Text that you were writing") }, this.list);
    this.root.hidden = true;
  }

  /** @returns {Kept[]} */
  get texts() {
    return kept.get(this.editor.data?.reportId) ?? [];
  }

  /** The pen is gone: keep what was being written before the text of the server takes its place. */
  take() {
    const { autosave, writing } = this.editor;
    const unsaved = new Set([...this.refused, ...autosave.keysOf("text ")]);
    const found = [...new Set([...unsaved, writing.key])].flatMap((key) => {
      const { section, text } = this.editor.sentence(key) ?? {};
      return text?.trim() ? [{ key, section, text, isSaved: !unsaved.has(key) }] : [];
    });
    autosave.clear();
    this.editor.showSaved({ state: "", text: "", at: null });
    this.refused.clear();
    const before = this.texts.filter(({ key }) => !found.some((one) => one.key === key));
    kept.set(this.editor.data.reportId, [...before, ...found]);
    const wasWriting = writing.key;
    writing.key = null;
    return wasWriting;
  }

  /** Show what is kept of this report. */
  draw() {
    const { texts } = this;
    const mayEdit = this.editor.data.mayEdit;
    const shown = JSON.stringify([texts, mayEdit]);
    if (this.shown === shown) return;
    this.shown = shown;
    this.root.hidden = texts.length === 0;
    this.list.replaceChildren(...texts.map((one) => this.entry(one, mayEdit)));
  }

  /** What is typed on goes into a field that takes nothing: no letter of it may become a command. */
  catchKeys(key) {
    const fields = [...this.list.querySelectorAll("textarea")];
    const field = fields.find((one) => one.dataset.key === key) ?? fields[0];
    field?.focus();
  }

  entry(one, mayEdit) {
    const { key, section, text, isSaved } = one;
    const label = isSaved
      ? say("{section}: saved, it is in the report", { section: say(section) })
      : say("{section}: NOT SAVED", { section: say(section) });
    const field = el("textarea", { readonly: true, rows: 3, "aria-label": label, dataset: { key } });
    field.value = text;
    const button = (words, run) => el("button", { type: "button", text: words, onclick: run });
    return el(
      "li",
      { dataset: { saved: String(isSaved) } },
      el("strong", { text: label }),
      field,
      el(
        "div",
        { class: "acts" },
        button(say("Copy"), (event) => void copy(field, event.target)),
        mayEdit && !isSaved && button(say("Add to the report"), () => this.putBack(one)),
        button(say("Let go of it"), () => this.drop(one)),
      ),
    );
  }

  putBack(one) {
    this.drop(one);
    this.editor.writing.add(one.section, "", one.text);
  }

  drop(one) {
    kept.set(this.editor.data.reportId, this.texts.filter((each) => each !== one));
    this.draw();
  }
}

/** Without a secure context (HTTP inside a house) there is no clipboard to write to: the selection is copied. */
async function copy(field, button) {
  field.focus();
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
  } catch {
    if (!document.execCommand("copy")) return;
  }
  button.textContent = say("Copied");
}
