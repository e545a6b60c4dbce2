/** The keys of the report. */

import { showDifference } from "./difference.js";
import { showHelp } from "./help.js";
import { link } from "./link.js";
import { say } from "./words.js";

/** @typedef {import("./keys.js").Binding} Binding */

/**
 * Return the keys of an editor.
 * @param {import("./editor.js").Editor} editor
 * @returns {Binding[]}
 */
export function reportKeys(editor) {
  const key = (keys, label, run, group = say("Report")) => ({ keys, label, group, run });
  const onChosen = (act) => () => link.chosen && editor.data.mayEdit && act(link.chosen);
  const { aids, decisions, writing } = editor;
  return [
    key(["j", "ArrowDown"], say("Next sentence"), () => editor.move(1)),
    key(["k", "ArrowUp"], say("Previous sentence"), () => editor.move(-1)),
    key(["a"], say("Accept the sentence"), onChosen((k) => decisions.accept(k))),
    key(["A"], say("Accept the normal sentences of this section"), () => decisions.acceptNormal()),
    key(["e", "Enter"], say("Edit the sentence (Enter or Esc when done)"), onChosen((k) => writing.edit(k))),
    key(["r"], say("Reject the sentence"), onChosen((k) => decisions.reject(k))),
    key(["u"], say("Take back the last decision"), () => void decisions.undo()),
    key(["Alt+ArrowUp", "Alt+ArrowDown"], say("Move the sentence up, down"), (event) =>
      onChosen((k) => void writing.shift(k, event.key === "ArrowUp" ? "up" : "down"))(),
    ),
    key(["Alt+Enter"], say("Heard with doubt: looked at, or inserted"), onChosen((k) => aids.heard.settle(k))),
    key(["Alt+Backspace"], say("Heard with doubt: drop what was not inserted"), onChosen((k) => aids.heard.drop(k))),
    key(["F"], say("Next open field (in a text: Tab)"), () => void writing.nextField()),
    key(["m"], say("Macros"), () => aids.chooseMacro()),
    key(["t"], say("Another template"), () => aids.chooseTemplate()),
    key(["n"], say("New sentence in this section"), () => writing.add(link.chosenSentence?.section ?? "findings")),
    key(["c"], say("Critical result: somebody must be told"), () => editor.tellCritical()),
    key(["d"], say("Changes from the AI draft"), () => showDifference(editor.changes, editor.data.reportId)),
    key(["s"], say("Sign"), () => editor.sign()),
    key(["K"], say("Stay, when the report is about to be released"), () => void editor.poll()),
    key(["Escape"], say("Choose nothing"), () => link.choose(null)),
    key(["?"], say("These keys"), () => showHelp(editor.parts.help)),
  ];
}
