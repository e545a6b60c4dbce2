/** Dictation into the cursor by the browser's own speech recognition, where the site has switched that on. */

import { language, say } from "./words.js";

const TAGS = { en: "en-US", de: "de-DE", es: "es-ES", zh: "zh-CN" };

/** Why one cannot dictate here; empty when one can. */
export function whyNot(setting) {
  if (setting !== "browser") return say("Dictation is not set up on this server.");
  if (!recogniser()) return say("This browser has no speech recognition.");
  return "";
}

function recogniser() {
  return window.SpeechRecognition ?? window.webkitSpeechRecognition;
}

export class Dictation {
  /** @param {(state: string) => void} show Called with what is to be said of it. */
  constructor(show) {
    this.show = show;
    this.running = null;
  }

  /**
   * Begin, or end when it runs.
   * @param {HTMLTextAreaElement} area Where the words go.
   */
  toggle(area) {
    if (this.running) return this.stop();
    const running = new (recogniser())();
    Object.assign(running, { lang: TAGS[language()] ?? "en-US", continuous: true, interimResults: false });
    running.onresult = (event) => {
      for (const result of [...event.results].slice(event.resultIndex)) if (result.isFinal) this.write(area, result[0].transcript);
    };
    running.onerror = ({ error }) => this.show(say("Dictation ended: {reason}", { reason: error }));
    running.onend = () => (this.running = null);
    this.running = running;
    running.start();
    this.show(say("Dictating; Ctrl+D ends it."));
  }

  stop() {
    this.running?.stop();
    this.running = null;
    this.show("");
  }

  /** Put what was said at the cursor, with a blank where one is needed. */
  write(area, words) {
    if (!area.isConnected) return this.stop();
    const before = area.value.slice(0, area.selectionStart);
    const text = before && !/\s$/.test(before) ? ` ${words.trim()}` : words.trim();
    area.setRangeText(text, area.selectionStart, area.selectionEnd, "end");
    area.dispatchEvent(new Event("input", { bubbles: true }));
  }
}
