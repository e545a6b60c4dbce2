/** A file for the rule tester: only its first bytes, the header, leave the browser; name and pixels stay there. */

import { el, hold } from "./dom.js";
import { say } from "./words.js";

const pickers = new WeakMap();

class Picker {
  constructor() {
    this.input = el("input", { type: "file", "aria-label": say("DICOM file"), onchange: () => this.send() });
    this.note = el("small", { text: say("Only the header is read, and nothing is kept.") });
    this.root = el("div", { class: "header-file" }, this.input, this.note);
    this.bytes = 0;
    /** @type {(name: string, value: string) => void} */
    this.trigger = () => {};
  }

  async send() {
    const [file] = this.input.files;
    if (!file) return;
    const head = new Uint8Array(await file.slice(0, this.bytes).arrayBuffer());
    let text = "";
    for (let at = 0; at < head.length; at += 8192) text += String.fromCharCode(...head.subarray(at, at + 8192));
    this.trigger("head", btoa(text));
    this.input.value = "";
  }
}

/** Mount or update; called again with every rerun of the script. */
export default function mount({ parentElement, data, setTriggerValue }) {
  const [picker, letGo] = hold(
    parentElement,
    pickers,
    () => {
      const made = new Picker();
      parentElement.append(made.root);
      return made;
    },
    (it) => it.root.remove(),
  );
  picker.bytes = data.bytes;
  picker.trigger = setTriggerValue;
  return letGo;
}
