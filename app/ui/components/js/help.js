/** The list of keys, shown by "?". */

import { el } from "./dom.js";
import { allBindings, holdKeysWhile } from "./keys.js";
import { say } from "./words.js";

/**
 * Make the dialog.
 * @returns {HTMLDialogElement}
 */
export function makeHelp() {
  // the keyboard scrolls it where a screen is too low for it
  const dialog = el("dialog", { class: "help", "aria-label": say("Keys"), tabindex: 0 });
  dialog.addEventListener("click", () => dialog.close());
  dialog.addEventListener("keydown", (event) => event.key === "?" && dialog.close());
  return /** @type {HTMLDialogElement} */ (dialog);
}

/**
 * Show the keys that work now; until the dialog closes none of them does.
 * @param {HTMLDialogElement} dialog
 */
export function showHelp(dialog) {
  holdKeysWhile(() => dialog.open);
  const groups = Map.groupBy(allBindings(), ({ group }) => group);
  const columns = [...groups].map(([group, bindings]) =>
    el("section", {}, el("h2", { text: group }), el("dl", {}, ...bindings.flatMap(row))),
  );
  const mouse = el(
    "p",
    { class: "mouse" },
    say(
      "Mouse on the image: drag - window and level; right drag or shift drag - pan; wheel - zoom (stack: scroll, " +
        "with alt: this viewport alone, with ctrl: zoom); double click - fit; click on a region - its sentence.",
    ),
  );
  dialog.replaceChildren(el("div", { class: "columns" }, ...columns), mouse, el("p", { text: say("Esc or ? closes.") }));
  dialog.showModal();
}

function row({ keys, label }) {
  const names = keys.flatMap((key, i) => [i ? " " : null, el("kbd", { text: key === " " ? say("Space") : key })]);
  return [el("dt", {}, ...names), el("dd", { text: label })];
}
