// An audio worklet: plays the waveforms that arrive at the port it is given, one after the other.

class Player extends AudioWorkletProcessor {
  constructor({processorOptions}) {
    super();
    this.waiting = []; // waveforms; the first of them from `offset` on
    this.offset = this.held = 0;
    this.ahead = processorOptions.ahead; // samples to hold before it starts: covers uneven arrivals
    this.playing = false;
    this.port.onmessage = ({data}) => (data.port.onmessage = event => this.put(event.data));
  }

  put(waveform) {
    this.waiting.push(waveform);
    this.held += waveform.length;
  }

  process(_, [[output]]) {
    this.playing = this.held >= (this.playing ? output.length : Math.max(this.ahead, output.length));
    if (!this.playing) return true; // silence, until enough has arrived again
    this.held -= output.length;
    for (let filled = 0; filled < output.length;) {
      const part = this.waiting[0].subarray(this.offset, this.offset + output.length - filled);
      output.set(part, filled);
      filled += part.length;
      this.offset += part.length;
      if (this.offset === this.waiting[0].length) {
        this.waiting.shift();
        this.offset = 0;
      }
    }
    return true;
  }
}

registerProcessor("player", Player);
