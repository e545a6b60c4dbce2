/** What viewer and editor share without asking the server: the sentences as they stand, and the chosen one. */

/**
 * @typedef {{sop: string, box: number[], score: number}} Region
 * @typedef {{key: string, section: string, text: string, aiText: string, origin: string, decision: string,
 *   findings: string[], confidence: number|null, region: Region|null}} Sentence
 */

class Link extends EventTarget {
  constructor() {
    super();
    /** @type {Sentence[]} */
    this.sentences = [];
    /** @type {string|null} */
    this.chosen = null;
    /** @type {{sop: string, box: number[], label: string}|null} A region that no sentence has. */
    this.region = null;
    /** Whether whoever looks over the reader's shoulder is to see no names. */
    this.areTextsOff = false;
  }

  /** @param {boolean} areOff Whether patient and texts over the images are hidden. */
  hideTexts(areOff) {
    if (this.areTextsOff === areOff) return;
    this.areTextsOff = areOff;
    this.dispatchEvent(new Event("change"));
  }

  /**
   * Show a region that no sentence has (or none), for example of an answer.
   * @param {{sop: string, box: number[], label: string}|null} region
   */
  show(region) {
    if (JSON.stringify(region) === JSON.stringify(this.region)) return;
    this.region = region;
    this.dispatchEvent(new Event("change"));
  }

  /**
   * Ask for an earlier study beside the current one.
   * @param {string} priorUid
   * @returns {boolean} Whether the viewer takes it.
   */
  openPrior(priorUid) {
    return !this.dispatchEvent(new CustomEvent("prior", { detail: priorUid, cancelable: true }));
  }

  /** @param {Sentence[]} sentences */
  publish(sentences) {
    this.sentences = sentences;
    if (!sentences.some(({ key }) => key === this.chosen)) this.chosen = null;
    this.dispatchEvent(new Event("change"));
  }

  /**
   * Choose a sentence (or none): its card and its region light up.
   * @param {string|null} key
   */
  choose(key) {
    if (this.chosen === key) return;
    this.chosen = key;
    this.dispatchEvent(new Event("change"));
  }

  /** @returns {Sentence|null} */
  get chosenSentence() {
    return this.sentences.find(({ key }) => key === this.chosen) ?? null;
  }

  /** Sentences that have something to show: a region, and a reader who has not refused them. */
  get shown() {
    return this.sentences.filter(({ region, decision }) => region !== null && decision !== "REJECTED");
  }

  /**
   * Call `listener` at every change until the returned function is called.
   * @param {() => void} listener
   * @returns {() => void}
   */
  follow(listener) {
    this.addEventListener("change", listener);
    return () => this.removeEventListener("change", listener);
  }
}

export const link = new Link();
