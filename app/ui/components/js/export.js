/** The export of the audit log: a form, so that the browser itself takes the file, however large it is. */

import { el, hold } from "./dom.js";
import { say } from "./words.js";

/** @typedef {{csrf: string, filter: Object<string, string>}} ExportData */

const exports_ = new WeakMap();

class Export {
  constructor() {
    this.whole = el("input", { type: "checkbox" });
    this.root = el(
      "div",
      { class: "export", role: "group", "aria-label": say("Export") },
      el("button", { type: "button", text: say("Export CSV"), onclick: () => this.send("csv") }),
      el("button", { type: "button", text: say("Export JSONL"), onclick: () => this.send("jsonl") }),
      el("button", { type: "button", text: say("Export bundle"), onclick: () => this.send("zip") }),
      el("label", {}, this.whole, say("without the filter")),
    );
    /** @type {ExportData|null} */
    this.data = null;
  }

  /** @param {string} format */
  send(format) {
    const filter = this.whole.checked ? {} : this.data.filter;
    const fields = { ...filter, format, token: this.data.csrf };
    const inputs = Object.entries(fields).map(([name, value]) => el("input", { type: "hidden", name, value }));
    const form = el("form", { method: "post", action: "/audit/export", hidden: true }, ...inputs);
    document.body.append(form);
    form.submit();
    form.remove();
  }
}

/** Mount or update; called again with every rerun of the script. */
export default function mount({ parentElement, data }) {
  const [shown, letGo] = hold(
    parentElement,
    exports_,
    () => {
      const made = new Export();
      parentElement.append(made.root);
      return made;
    },
    (it) => {
      it.root.remove();
    },
  );
  shown.data = data;
  return letGo;
}
