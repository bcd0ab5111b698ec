// The thread of the graphs. One request at a time; a newer one stops an older one at its next block.

import {framesOfCodes, joinCodes, joinSamples} from "./arrays.js";
import {frameBits} from "./metadata.js";
import {Decoder, Encoder, loadGraphs} from "./streams.js";

const BLOCK = 64; // frames of a file at once
const LIVE_BLOCK = 16; // most frames at once while somebody speaks: what is late catches up faster

let facts, graphs;
let newest = 0; // the number of the newest request
let used; // stages that are heard while somebody speaks

/** Load the model, and run it once: browsers compile what they run for some time. */
async function load(request) {
  facts = request.facts;
  graphs = await loadGraphs(facts);
  const codes = await new Encoder(graphs, facts).push(new Float32Array(BLOCK * facts.hop_length));
  await new Decoder(graphs, facts).push(codes, codes.stages);
}

/** Codes of a whole waveform. */
async function encode({waveform}, superseded, progress) {
  const encoder = new Encoder(graphs, facts), pieces = [], step = BLOCK * facts.hop_length;
  for (let start = 0; start < waveform.length; start += step) {
    if (superseded()) return null;
    pieces.push(await encoder.push(waveform.subarray(start, start + step)));
    progress(start / waveform.length);
  }
  return {codes: joinCodes(pieces, facts.codebook_sizes.length), seconds: encoder.seconds};
}

/** The waveform, `length` samples, of the first `stages` stages of codes. */
async function decode({codes, stages, length}, superseded, progress) {
  const decoder = new Decoder(graphs, facts), pieces = [];
  for (let start = 0; start < codes.frames; start += BLOCK) {
    if (superseded()) return null;
    const piece = framesOfCodes(codes, start, Math.min(codes.frames, start + BLOCK));
    pieces.push(await decoder.push(piece, stages));
    progress(start / codes.frames);
  }
  pieces.push(await decoder.flush());
  return {waveform: joinSamples(pieces).subarray(0, length), seconds: decoder.seconds};
}

/** What arrives at the port `input`, coded and decoded as it comes, until a null. */
async function live({input, output, stages}, _, progress) {
  const encoder = new Encoder(graphs, facts), decoder = new Decoder(graphs, facts);
  const heard = [], codes = [], queue = new Queue(input);
  used = stages;
  for (let samples; (samples = await queue.take(facts.hop_length, LIVE_BLOCK * facts.hop_length));) {
    const piece = await encoder.push(samples), decoded = await decoder.push(piece, used);
    heard.push(samples);
    codes.push(piece);
    output.postMessage(decoded);
    const bits = piece.frames * frameBits(facts.codebook_sizes.slice(0, used));
    progress({samples, decoded, bits, seconds: encoder.seconds + decoder.seconds});
  }
  return {waveform: joinSamples(heard), codes: joinCodes(codes, facts.codebook_sizes.length)};
}

/** Samples from a port, in order. */
class Queue {
  constructor(port) {
    this.held = new Float32Array(0);
    this.ended = false;
    port.onmessage = ({data}) => {
      if (data) this.held = joinSamples([this.held, data]);
      else this.ended = true;
      this.wake?.();
    };
  }

  /** As many whole units of `unit` samples as there are, up to `most` samples; at the end the rest. */
  async take(unit, most) {
    while (this.held.length < unit && !this.ended) await new Promise(wake => (this.wake = wake));
    const whole = Math.min(most, this.held.length - this.held.length % unit);
    const taken = this.held.slice(0, whole || this.held.length);
    this.held = this.held.slice(taken.length);
    return taken.length ? taken : null;
  }
}

const KINDS = {load, encode, decode, live};
let work = Promise.resolve();

onmessage = ({data: request}) => {
  if (request.kind === "use") return void (used = request.stages);
  const {id} = request;
  newest = id;
  const answer = message => postMessage({id, ...message});
  work = work.then(async () => {
    try {
      const result = await KINDS[request.kind](
        request, () => newest !== id, progress => answer({progress}));
      answer({result});
    } catch (error) {
      answer({error: String(error?.message ?? error)});
    }
  });
};
