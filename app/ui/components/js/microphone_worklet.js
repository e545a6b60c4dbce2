/** Runs beside the page: hands the microphone's samples over in pieces of about 20 ms, and keeps none. */

const PIECE = 1024;

class Microphone extends AudioWorkletProcessor {
  constructor() {
    super();
    this.piece = new Float32Array(PIECE);
    this.filled = 0;
  }

  process([[channel]]) {
    for (const value of channel ?? []) {
      this.piece[this.filled] = value;
      this.filled += 1;
      if (this.filled === PIECE) this.hand();
    }
    return true;
  }

  hand() {
    this.port.postMessage(this.piece, [this.piece.buffer]);
    this.piece = new Float32Array(PIECE);
    this.filled = 0;
  }
}

registerProcessor("microphone", Microphone);
