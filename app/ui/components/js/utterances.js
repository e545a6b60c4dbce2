/** Finds utterances in a stream of sound: a pause ends one, and so does its length. */

const LONGEST_S = 19;
/** From here on a shorter pause ends it, so that a word is seldom cut. */
const LONG_S = 14;
const PAUSE_S = 0.8;
const SHORT_PAUSE_S = 0.25;
/** So much sound before its begin belongs to it: words may begin softly. */
const BEFORE_S = 0.4;
const SHORTEST_S = 0.2;
/** Louder than so many times the quiet of the room is speech; never below this level (-46 dB). */
const ABOVE_QUIET = 3;
const QUIETEST = 0.005;

export class Utterances {
  /**
   * @param {number} rate Samples a second.
   * @param {(samples: Float32Array) => void} said
   */
  constructor(rate, said) {
    Object.assign(this, { rate, said });
    this.quiet = QUIETEST;
    this.begin();
  }

  begin() {
    /** @type {Float32Array[]} */
    this.pieces = [];
    this.loud = 0;
    this.pause = 0;
  }

  /** @param {Float32Array} piece About 20 ms. */
  push(piece) {
    const level = Math.sqrt(piece.reduce((sum, value) => sum + value * value, 0) / piece.length);
    const isLoud = level > Math.max(QUIETEST, ABOVE_QUIET * this.quiet);
    // the quiet of the room: down at once, up slowly
    this.quiet = Math.min(level, this.quiet * 1.005 + 1e-6);
    const seconds = piece.length / this.rate;
    this.pieces.push(piece);
    if (isLoud) {
      this.loud += seconds;
      this.pause = 0;
    } else if (this.loud > 0) {
      this.pause += seconds;
    }
    if (this.loud === 0) return this.forget();
    const length = this.seconds();
    if (this.pause >= (length > LONG_S ? SHORT_PAUSE_S : PAUSE_S) || length >= LONGEST_S) this.end();
  }

  /** Hand over what is being said. */
  end() {
    const { pieces, loud } = this;
    this.begin();
    if (loud < SHORTEST_S) return;
    const samples = new Float32Array(pieces.reduce((count, piece) => count + piece.length, 0));
    let at = 0;
    for (const piece of pieces) {
      samples.set(piece, at);
      at += piece.length;
    }
    this.said(samples);
  }

  seconds() {
    return this.pieces.reduce((count, piece) => count + piece.length, 0) / this.rate;
  }

  /** Before anything is said, only the last moment is kept. */
  forget() {
    while (this.seconds() > BEFORE_S) this.pieces.shift();
  }
}
