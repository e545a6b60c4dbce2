/** Typing reaches the database within seconds: one writer a report, in order, again and again until it is taken. */

import { Refused } from "./api.js";
import { say } from "./words.js";

const PAUSE_MS = 700;
const LONGEST_MS = 2500;
const AGAIN_MS = 2000;

/**
 * @typedef {{text: string, state: "saved"|"waiting"|"failed", at: string|null}} SaveState
 */

export class Autosave {
  /**
   * @param {(state: SaveState) => void} show Called whenever the state changes.
   * @param {(key: string) => void} refuse Called with the key of what will never be taken.
   */
  constructor(show, refuse = () => undefined) {
    this.show = show;
    this.refuse = refuse;
    /** @type {Map<string, () => Promise<string>>} */
    this.waiting = new Map();
    this.running = Promise.resolve(true);
    this.timer = 0;
    this.firstTyped = 0;
    this.lastSaved = null;
  }

  /** Whether something is not in the database yet. */
  get isPending() {
    return this.waiting.size > 0;
  }

  /**
   * Save soon; a later call for the same key replaces an earlier one that has not begun.
   * @param {string} key
   * @param {() => Promise<string>} write Returns the time of the save (ISO).
   */
  soon(key, write) {
    this.waiting.set(key, write);
    this.firstTyped ||= Date.now();
    const wait = Math.max(0, Math.min(PAUSE_MS, this.firstTyped + LONGEST_MS - Date.now()));
    this.arm(wait);
    this.show({ text: say("saving ..."), state: "waiting", at: this.lastSaved });
  }

  /**
   * Save now, after everything before it.
   * @param {string} key
   * @param {() => Promise<string>} write
   * @returns {Promise<boolean>} Whether everything is saved.
   */
  now(key, write) {
    this.waiting.set(key, write);
    this.show({ text: say("saving ..."), state: "waiting", at: this.lastSaved });
    return this.flush();
  }

  /** The keys that wait and begin like this, without that beginning. */
  keysOf(beginning) {
    return [...this.waiting.keys()].filter((key) => key.startsWith(beginning)).map((key) => key.slice(beginning.length));
  }

  /** Write nothing of what waits. */
  clear() {
    window.clearTimeout(this.timer);
    this.waiting.clear();
  }

  /** Do not write what waits under a key. */
  forget(key) {
    this.waiting.delete(key);
  }

  /**
   * Write everything that waits.
   * @returns {Promise<boolean>} Whether everything is saved.
   */
  flush() {
    window.clearTimeout(this.timer);
    this.running = this.running.then(() => this.drain());
    return this.running.then((isTaken) => isTaken && !this.isPending);
  }

  arm(wait) {
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => this.flush(), wait);
  }

  /** Write what waits at this moment; what is typed meanwhile has its own pause. */
  async drain() {
    this.firstTyped = 0;
    for (const [key, write] of [...this.waiting]) {
      try {
        this.lastSaved = await write();
        if (this.waiting.get(key) === write) this.waiting.delete(key);
      } catch (error) {
        this.fail(key, write, error);
        return false;
      }
    }
    if (!this.isPending) this.show({ text: say("saved"), state: "saved", at: this.lastSaved });
    return true;
  }

  /** A server that is away is asked again; a refusal is final for this text. */
  fail(key, write, error) {
    const isPassing = error instanceof Refused && error.isPassing;
    if (!isPassing && this.waiting.get(key) === write) {
      this.waiting.delete(key);
      this.refuse(key);
    }
    if (isPassing) this.arm(AGAIN_MS);
    const why = { reason: error.message };
    const text = isPassing ? say("not saved: {reason}; trying again", why) : say("not saved: {reason}", why);
    this.show({ text, state: "failed", at: this.lastSaved });
  }
}

/**
 * Save what waits when the page goes away, and ask before it goes with something unsaved.
 * @param {Autosave} autosave
 * @param {() => boolean} hasMore Whether something else is not saved.
 * @returns {() => void} Stops it.
 */
export function guardPage(autosave, hasMore) {
  const flush = () => void autosave.flush();
  const warn = (event) => (autosave.isPending || hasMore()) && event.preventDefault();
  const guards = [
    [window, "pagehide", flush],
    [document, "visibilitychange", flush],
    [window, "beforeunload", warn],
  ];
  for (const [target, name, guard] of guards) target.addEventListener(name, guard);
  return () => {
    for (const [target, name, guard] of guards) target.removeEventListener(name, guard);
  };
}
