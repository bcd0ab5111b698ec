// The two graphs as streams: samples to codes and codes to samples, in blocks of any number of frames.

import * as ort from "./onnxruntime/ort.wasm.min.mjs";

ort.env.wasm.wasmPaths = new URL("./onnxruntime/", import.meta.url).href;
ort.env.wasm.numThreads = 1; // more need headers that plain web space does not send

const bytesOf = async url => {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} is missing (${response.status})`);
  return new Uint8Array(await response.arrayBuffer());
};

/** {encoder, decoder}: ONNX Runtime's sessions of the page's two graphs, which share their weights. */
export async function loadGraphs(facts) {
  const versioned = name => `model/${name}?${facts.model_hash}`; // no old file from a cache
  const externalData = await Promise.all(facts.external_files.map(
    async path => ({path, data: await bytesOf(versioned(path))})));
  const session = async name =>
    ort.InferenceSession.create(await bytesOf(versioned(name)), {externalData});
  return {encoder: await session(facts.encoder), decoder: await session(facts.decoder)};
}

/** A graph with the state of one stream. */
class Stream {
  constructor(session, facts, [type, size]) {
    Object.assign(this, {session, facts});
    const silence = new (type === "float64" ? Float64Array : Float32Array)(size);
    this.state = new ort.Tensor(type, silence, [1, size]);
    this.seconds = 0; // of computing, so far
  }

  async run(input, type, data, shape) {
    const start = performance.now();
    const {[this.output]: output, next_state: state} = await this.session.run(
      {[input]: new ort.Tensor(type, data, shape), state: this.state}, [this.output, "next_state"]);
    this.seconds += (performance.now() - start) / 1000;
    this.state = state;
    return output.data;
  }
}

export class Encoder extends Stream {
  output = "codes";

  constructor(graphs, facts) {
    super(graphs.encoder, facts, facts.encoder_state);
  }

  /** Codes {stages, frames, data} of the next samples: whole frames, filled up with silence. */
  async push(samples) {
    const {hop_length: hop, codebook_sizes: {length: stages}} = this.facts;
    const frames = Math.ceil(samples.length / hop);
    const padded = new Float32Array(frames * hop);
    padded.set(samples);
    const codes = await this.run("waveform", "float32", padded, [1, 1, padded.length]);
    return {stages, frames, data: Uint32Array.from(codes, Number)};
  }
}

export class Decoder extends Stream {
  output = "waveform";

  constructor(graphs, facts) {
    super(graphs.decoder, facts, facts.decoder_state);
    this.early = facts.delay * facts.hop_length; // samples that are not signal yet
  }

  /** The next samples, from the first `used` stages of the next codes. */
  async push({frames, data}, used) {
    return this.decode(BigInt64Array.from(data.subarray(0, used * frames), BigInt), used, frames);
  }

  /** The samples that are still owed after the last codes. */
  async flush() {
    const {delay} = this.facts;
    return delay ? this.decode(new BigInt64Array(delay).fill(-1n), 1, delay) : new Float32Array(0);
  }

  async decode(codes, stages, frames) {
    const samples = await this.run("codes", "int64", codes, [1, stages, frames]);
    const early = Math.min(this.early, samples.length);
    this.early -= early;
    return samples.slice(early);
  }
}
