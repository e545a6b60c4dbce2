/** The pen of an open report: word that somebody has taken over, and a notice before it is put down for idleness. */

import { idleFor } from "./activity.js";
import { el } from "./dom.js";
import { followWord } from "./follow_word.js";
import { say } from "./words.js";

const TOLD_BEFORE_MS = 2 * 60_000;
const LOOK_MS = 2000;
const STAY = "K";

export class Pen {
  /** @param {{lost: () => unknown, stay: () => unknown}} acts What follows when it is gone, or asked to be kept. */
  constructor({ lost, stay }) {
    this.lost = lost;
    this.stay = stay;
    this.words = el("span");
    this.notice = el(
      "div",
      { class: "banner warn idle", role: "alert" },
      el("strong", { text: say("STILL THERE?") }),
      this.words,
      el("button", { type: "button", text: say("Stay (K)"), onclick: () => this.keep() }),
    );
    this.notice.hidden = true;
  }

  /**
   * Follow the pen of a report while this reader has it; called with every change of what is known.
   * @param {{reportId: number, mayEdit: boolean, idleSeconds?: number}} data
   */
  watch({ reportId, mayEdit, idleSeconds }) {
    this.idleMs = 1000 * (idleSeconds ?? Infinity);
    const wanted = mayEdit ? reportId : null;
    if (wanted === this.watched) return;
    this.stop();
    this.watched = wanted;
    if (wanted === null) return;
    const stopWord = followWord(`/api/reports/${reportId}/pen`, async (answer) => {
      if (answer && !answer.pen?.mine) await this.lost();
    });
    const timer = window.setInterval(() => this.look(), LOOK_MS);
    const onKey = (event) => this.onKey(event);
    window.addEventListener("keydown", onKey, { capture: true });
    this.stopWatching = () => {
      stopWord();
      window.clearInterval(timer);
      window.removeEventListener("keydown", onKey, { capture: true });
    };
  }

  stop() {
    this.stopWatching?.();
    this.stopWatching = null;
    this.watched = null;
    this.notice.hidden = true;
  }

  look() {
    const left = this.idleMs - idleFor();
    this.notice.hidden = left > TOLD_BEFORE_MS || left <= 0;
    if (this.notice.hidden) return;
    const minutes = Math.ceil(left / 60_000);
    const text = say("In {minutes} min this report is free for others and you are logged out. K or the mouse keeps both.", { minutes });
    if (this.words.textContent !== text) this.words.textContent = text;
  }

  /** While the notice stands its key means nothing else, not even in a text. */
  onKey(event) {
    if (this.notice.hidden || event.key !== STAY) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    this.keep();
  }

  keep() {
    this.notice.hidden = true;
    this.stay();
  }
}
