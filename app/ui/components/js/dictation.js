/** Dictation into the cursor: by the browser's own speech recognition or by this server's, as the site has chosen. */

import { listen } from "./listening.js";
import { language, say } from "./words.js";

/** @typedef {{text: string, confidence: number, doubtful: boolean}} HeardWord */
/** @typedef {{key: string, area: HTMLTextAreaElement}} Place A sentence, and its field. */

const TAGS = { en: "en-US", de: "de-DE", es: "es-ES", zh: "zh-CN" };

/** Why one cannot dictate here; empty when one can. */
export function whyNot(setting) {
  if (setting === "local") return whyNotHere();
  if (setting !== "browser") return say("Dictation is not set up on this server.");
  if (!recogniser()) return say("This browser has no speech recognition.");
  return "";
}

function whyNotHere() {
  if (language() !== "en") return say("This server recognises English alone: choose English to dictate.");
  if (!navigator.mediaDevices?.getUserMedia || !window.AudioWorkletNode) return say("The browser gives no microphone to this page: it needs https.");
  return "";
}

function recogniser() {
  return window.SpeechRecognition ?? window.webkitSpeechRecognition;
}

export class Dictation {
  /**
   * @param {(state: string) => void} show Called with what is to be said of it.
   * @param {(samples: Blob, signal: AbortSignal) => Promise<{words: HeardWord[], reason: string}>} recognise Asks this server.
   * @param {(place: Place, answer: {words: HeardWord[], reason: string}) => void} take
   */
  constructor(show, recognise, take) {
    Object.assign(this, { show, recognise, take });
    /** @type {{stop: () => void}|null} */
    this.running = null;
    /** Settles when everything that was said has been answered. */
    this.answered = Promise.resolve();
    this.waiting = 0;
  }

  /**
   * Begin, or end when it runs.
   * @param {Place} place Where the words go.
   * @param {string} setting
   */
  toggle(place, setting) {
    if (this.running) return this.stop();
    const isHere = setting === "local";
    this.running = isHere ? this.listenHere(place) : this.listenInBrowser(place.area);
    this.show(isHere ? say("Waiting for the microphone ...") : say("Dictating; Ctrl+D ends it."));
  }

  stop() {
    this.running?.stop();
    this.running = null;
    this.show(this.waiting ? say("Recognising ...") : "");
  }

  /** The text is somebody else's now, or gone from the screen: nobody listens any longer. */
  cease() {
    if (this.running) this.stop();
  }

  /** End, and wait until what was said last is in the text. */
  async finish() {
    this.stop();
    await this.answered;
  }

  get isBusy() {
    return this.running !== null || this.waiting > 0;
  }

  listenHere(place) {
    const listening = listen({
      began: () => this.show(say("Dictating; Ctrl+D ends it.")),
      said: (samples) => this.ask(place, samples),
      failed: (reason) => this.fail(listening, reason),
    });
    return listening;
  }

  /** One after the other, so that words arrive as they were said. */
  ask(place, samples) {
    this.waiting += 1;
    this.answered = this.answered.then(async () => {
      try {
        this.take(place, await this.recognise(await samples, AbortSignal.timeout(120_000)));
        this.show(this.running ? say("Dictating; Ctrl+D ends it.") : "");
      } catch (error) {
        this.show(say("Not recognised: {reason}", { reason: error.message }));
      } finally {
        this.waiting -= 1;
      }
    });
  }

  fail(listening, reason) {
    if (this.running === listening) this.running = null;
    this.show(say("Dictation ended: {reason}", { reason }));
  }

  listenInBrowser(area) {
    const running = new (recogniser())();
    Object.assign(running, { lang: TAGS[language()] ?? "en-US", continuous: true, interimResults: false });
    running.onresult = (event) => {
      for (const result of [...event.results].slice(event.resultIndex)) {
        if (!result.isFinal) continue;
        if (area.isConnected) writeAt(area, result[0].transcript);
        else this.stop();
      }
    };
    let why = "";
    running.onerror = ({ error }) => (why = say("Dictation ended: {reason}", { reason: error }));
    running.onend = () => {
      if (this.running === running) this.running = null;
      this.show(why);
    };
    running.start();
    return running;
  }
}

/**
 * Put what was said at the cursor, with blanks where they are needed and a capital where a sentence begins.
 * @param {HTMLTextAreaElement} area
 * @param {string} words
 */
export function writeAt(area, words) {
  const before = area.value.slice(0, area.selectionStart);
  const said = /(^|[.?!\n]\s*)$/.test(before) ? words.trimStart().replace(/^./u, (first) => first.toUpperCase()) : words;
  const text = said.replace(/^ +| +$/g, "");
  const joins = !before || /[\s(]$/.test(before) || /^[.,:;?)\n]/.test(text);
  const after = area.value.slice(area.selectionEnd);
  const gap = after && !/^[\s.,:;?)]/.test(after) && !/[\s(]$/.test(text) ? " " : "";
  area.setRangeText(`${joins ? "" : " "}${text}${gap}`, area.selectionStart, area.selectionEnd, "end");
  area.dispatchEvent(new Event("input", { bubbles: true }));
}

/**
 * Join words and signs as `app/domain/spoken_text.py` does.
 * @param {HeardWord[]} words
 */
export function joined(words) {
  return words.reduce((text, { text: word }) => {
    const joins = !text || /[\n(]$/.test(text) || /^[.,:;?)\n]/.test(word);
    return text + (joins ? word : ` ${word}`);
  }, "");
}
