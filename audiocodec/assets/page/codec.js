// The worker as an object with promises, for the page.

export class Codec {
  constructor(facts) {
    this.facts = facts;
    this.worker = new Worker(new URL("./worker.js", import.meta.url), {type: "module"});
    this.waiting = new Map(); // requests by their number
    this.last = 0;
    this.worker.onmessage = ({data: {id, progress, result, error}}) => {
      const request = this.waiting.get(id);
      if (progress !== undefined) return request.progress(progress);
      this.waiting.delete(id);
      return error === undefined ? request.done(result) : request.failed(new Error(error));
    };
    this.worker.onerror = event => {
      for (const {failed} of this.waiting.values()) failed(new Error(event.message ?? "worker.js does not load"));
      this.waiting.clear();
    };
  }

  request(kind, values, transfer = [], progress = () => {}) {
    const id = ++this.last;
    this.worker.postMessage({kind, id, ...values}, transfer);
    return new Promise((done, failed) => this.waiting.set(id, {done, failed, progress}));
  }

  load = () => this.request("load", {facts: this.facts});

  /** {codes, seconds}, or null if a newer request stopped it. */
  encode = (waveform, progress) => this.request("encode", {waveform}, [], progress);

  /** {waveform, seconds}, or null if a newer request stopped it. */
  decode = (codes, stages, length, progress) =>
    this.request("decode", {codes, stages, length}, [], progress);

  /** {waveform, codes} of all that arrives at the port `input` until a null; `output` gets sound. */
  live = (input, output, stages, progress) =>
    this.request("live", {input, output, stages}, [input, output], progress);

  /** How many stages are heard from now on, while `live` runs. */
  use = stages => this.worker.postMessage({kind: "use", stages});
}
