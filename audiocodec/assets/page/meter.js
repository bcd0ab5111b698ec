// What is seen while somebody speaks: the last seconds, the bits so far, and how fast the codec is.

import {joinSamples} from "./arrays.js";
import {drawSound} from "./pictures.js";

const SHOWN_SECONDS = 6;
const REDRAW_MS = 250;

export class Meter {
  heard = [];
  decoded = [];
  length = 0; // samples so far
  bits = 0;
  drawn = -Infinity; // when

  /** `canvases`: of what is heard and of what is decoded. `say`: shows a text. */
  constructor(facts, canvases, say) {
    Object.assign(this, {facts, canvases, say});
  }

  /** The next piece, what was decoded of it, its bits, and the seconds of computing so far. */
  take({samples, decoded, bits, seconds}) {
    this.length += samples.length;
    this.bits += bits;
    this.keep(this.heard, samples);
    this.keep(this.decoded, decoded);
    if (performance.now() - this.drawn < REDRAW_MS) return;
    [this.heard, this.decoded].forEach((pieces, index) =>
      drawSound(this.canvases[index], joinSamples(pieces), this.facts.hop_length));
    const duration = this.length / this.facts.sample_rate;
    this.say(`${duration.toFixed(1)} s, ${Math.round(this.bits).toLocaleString("en")} bits, ` +
      `coded and decoded at ${(duration / seconds).toFixed(1)} × real time`);
    this.drawn = performance.now();
  }

  keep(pieces, samples) {
    pieces.push(samples);
    let length = pieces.reduce((sum, piece) => sum + piece.length, 0);
    while (length > SHOWN_SECONDS * this.facts.sample_rate) length -= pieces.shift().length;
  }
}
