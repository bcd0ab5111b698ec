// An audio worklet: sends what the microphone hears to the port that it is given, until told to stop.

class Capture extends AudioWorkletProcessor {
  constructor({processorOptions}) {
    super();
    this.block = new Float32Array(processorOptions.samples); // sent at once
    this.held = 0;
    this.going = true;
    this.port.onmessage = ({data}) => {
      if (data.port) this.target = data.port;
      if (data.stop) this.stop();
    };
  }

  stop() {
    this.target.postMessage(this.block.slice(0, this.held));
    this.target.postMessage(null); // the end
    this.going = false;
  }

  process([[samples]]) {
    if (!this.going || !this.target || !samples) return this.going;
    for (const sample of samples) {
      this.block[this.held++] = sample;
      if (this.held === this.block.length) {
        this.target.postMessage(this.block.slice());
        this.held = 0;
      }
    }
    return true;
  }
}

registerProcessor("capture", Capture);
