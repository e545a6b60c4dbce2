/** Seconds and edits per section: counted while the page is in view, in focus and in use, and told in between. */

import { idleFor } from "./activity.js";
import { link } from "./link.js";

const TICK_MS = 1000;
const TELL_MS = 10_000;
const IDLE_MS = 30_000;

export class ReadingTime {
  /** @param {import("./editor.js").Editor} editor */
  constructor(editor) {
    this.editor = editor;
    /** @type {Object<string, {seconds: number, edits: number}>} */
    this.spent = {};
    this.last = Date.now();
  }

  /** Begin; the returned function tells the rest and stops. */
  start() {
    this.last = Date.now();
    const timers = [window.setInterval(() => this.tick(), TICK_MS), window.setInterval(() => this.tell(), TELL_MS)];
    const leaving = () => void this.tell();
    window.addEventListener("pagehide", leaving);
    return () => {
      timers.forEach((timer) => window.clearInterval(timer));
      window.removeEventListener("pagehide", leaving);
      void this.tell();
    };
  }

  tick() {
    const passed = Math.min(2 * TICK_MS, Date.now() - this.last);
    this.last = Date.now();
    const section = link.chosenSentence?.section;
    if (!section || !this.editor.data?.mayEdit) return;
    if (document.hidden || !document.hasFocus() || idleFor() > IDLE_MS) return;
    this.at(section).seconds += passed / 1000;
  }

  /** A text was changed, added or refused. */
  edited(section) {
    this.at(section).edits += 1;
  }

  at(section) {
    return (this.spent[section] ??= { seconds: 0, edits: 0 });
  }

  /** What cannot be told now is told the next time. */
  async tell() {
    const told = this.spent;
    const { client, data } = this.editor;
    if (!data?.mayEdit || Object.keys(told).length === 0) return;
    this.spent = {};
    try {
      await client.tellTimes(told);
    } catch {
      for (const [section, { seconds, edits }] of Object.entries(told)) {
        const kept = this.at(section);
        kept.seconds = Math.min(600, kept.seconds + seconds);
        kept.edits += edits;
      }
    }
  }
}
