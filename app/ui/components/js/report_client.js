/** The report on the server: reads and writes, and the keys of sentences that the server does not know yet. */

import { call } from "./api.js";

/** @typedef {import("./link.js").Sentence} Sentence */
/**
 * @typedef {object} EditorData What the server says about the report and this reader.
 * @property {number} reportId
 * @property {string} study
 * @property {string} csrf
 * @property {number} version
 * @property {string} state
 * @property {boolean} mayEdit
 * @property {boolean} roleMayEdit
 * @property {boolean} isFinal
 * @property {number} [idleSeconds] How long the pen is kept while nobody is at the screen.
 * @property {boolean} isEditable Whether the text may still change at all.
 * @property {boolean} superseded
 * @property {string} signAs `preliminary`, `final` or empty.
 * @property {{owner: string, since: string, mine: boolean}|null} lock
 * @property {import("./link.js").Sentence[]} sentences
 * @property {{status: string, reason: string, model: string, issues: {severity: string, message: string}[]}} draft
 * @property {import("./overlay.js").Finding[]} findings
 * @property {{username: string, printedName: string, role: string, meaning: string, at: string, sha256: string,
 *   problem: string, keyId: string}[]} signatures
 * @property {{destination: string, kind: string, state: string, reason: string, sentAt: string|null}[]} deliveries
 */

const LOCAL = "new-";

export class ReportClient {
  constructor() {
    /** @type {Map<string, string>} Local key to the server's key. */
    this.keys = new Map();
  }

  /** @param {{reportId: number, study: string, csrf: string}} data */
  open({ reportId, study, csrf }) {
    Object.assign(this, { reportId, study, csrf });
  }

  /** The key under which a sentence of our own begins. */
  localKey(number) {
    return `${LOCAL}${number}`;
  }

  /** Whether the server has never seen the sentence. */
  isUnwritten(key) {
    return key.startsWith(LOCAL) && !this.keys.has(key);
  }

  /** The server's key. */
  keyOf(key) {
    return this.keys.get(key) ?? key;
  }

  /**
   * A sentence of the server under the key that the screen still uses for it.
   * @param {Sentence} sentence
   * @returns {Sentence}
   */
  underLocalKey(sentence) {
    const local = [...this.keys].find(([, known]) => known === sentence.key);
    return local ? { ...sentence, key: local[0] } : sentence;
  }

  /** From now on the screen uses the server's key. */
  settle(key) {
    this.keys.delete(key);
  }

  /** Read the report as it stands. */
  read() {
    return call("GET", `/api/studies/${encodeURIComponent(this.study)}/report`, { csrf: this.csrf });
  }

  /** @param {string} key */
  accept(key) {
    return this.post(`${encodeURIComponent(this.keyOf(key))}/accept`);
  }

  /** @param {string} key */
  reject(key) {
    return this.post(`${encodeURIComponent(this.keyOf(key))}/reject`);
  }

  /** Take back the last decision. */
  reopen(key) {
    return this.post(`${encodeURIComponent(this.keyOf(key))}/reopen`);
  }

  /**
   * Let a sentence change places with its neighbour.
   * @param {string} key
   * @param {"up"|"down"} way
   */
  move(key, way) {
    return this.post(`${encodeURIComponent(this.keyOf(key))}/${way}`);
  }

  /** @param {number} template */
  useTemplate(template) {
    return this.send("POST", "template", { template });
  }

  /** @param {Object<string, {seconds: number, edits: number}>} spent */
  tellTimes(spent) {
    return this.send("POST", "times", spent);
  }

  /** Keep a macro of one's own; without text it is forgotten. */
  keepMacro(name, text) {
    return call("POST", "/api/macros", { csrf: this.csrf, body: { name, text } });
  }

  /**
   * Ask this server for the words of an utterance; it keeps nothing of it.
   * @param {Blob} samples
   * @param {AbortSignal} signal
   */
  recognise(samples, signal) {
    return call("POST", "/api/dictation?rate=16000", { csrf: this.csrf, body: samples, signal });
  }

  /**
   * Write the text of a sentence; the first write of a new one makes it.
   * @param {Sentence} sentence
   */
  async write(sentence) {
    const { key, section, text, after } = sentence;
    if (!this.isUnwritten(key)) {
      return this.send("PUT", `sentences/${encodeURIComponent(this.keyOf(key))}`, { text });
    }
    const answer = await this.send("POST", "sentences", { section, text, after: after ? this.keyOf(after) : "" });
    this.keys.set(key, answer.key);
    return answer;
  }

  post(path) {
    return this.send("POST", `sentences/${path}`, {});
  }

  send(method, path, body) {
    return call(method, `/api/reports/${this.reportId}/${path}`, { csrf: this.csrf, body, keepalive: true });
  }
}
