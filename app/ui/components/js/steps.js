/** From case to case of a list: the next one that nobody else has, and the one before. */

import { el, hold } from "./dom.js";
import { bindKeys } from "./keys.js";
import { say } from "./words.js";

/** @typedef {{mayGoBack: boolean, goesOn: boolean, maySign: boolean}} StepsData */

const held = new WeakMap();

class Steps {
  constructor() {
    this.previous = el("button", { type: "button", onclick: () => this.goBack() }, say("Previous case"), el("kbd", { text: "B" }));
    this.next = el("button", { type: "button", onclick: () => this.goOn() }, say("Next case"), el("kbd", { text: "N" }));
    this.box = el("input", { type: "checkbox", onchange: () => this.trigger("goesOn", { on: this.box.checked, at: Date.now() }) });
    this.after = el("label", {}, this.box, say("After signing open the next case"));
    this.root = el("nav", { class: "steps", "aria-label": say("Cases of the list") }, this.previous, this.next, this.after);
  }

  attach(setTriggerValue) {
    this.detach?.();
    this.trigger = setTriggerValue;
    const key = (keys, label, run) => ({ keys, label, group: say("Report"), run });
    this.detach = bindKeys(this, [
      key(["N"], say("Next case of the list"), () => this.goOn()),
      key(["B"], say("Case before"), () => this.goBack()),
    ]);
  }

  /** @param {StepsData} data */
  update(data) {
    this.data = data;
    this.previous.disabled = !data.mayGoBack;
    this.box.checked = data.goesOn;
    this.after.hidden = !data.maySign;
  }

  goOn() {
    this.trigger("next", Date.now());
  }

  goBack() {
    if (this.data.mayGoBack) this.trigger("previous", Date.now());
  }
}

/** Mount or update; called again with every rerun of the script. */
export default function mount({ parentElement, data, setTriggerValue }) {
  const [steps, letGo] = hold(
    parentElement,
    held,
    () => {
      const made = new Steps();
      parentElement.append(made.root);
      return made;
    },
    (it) => {
      it.detach();
      it.root.remove();
    },
  );
  steps.attach(setTriggerValue);
  steps.update(data);
  return letGo;
}
