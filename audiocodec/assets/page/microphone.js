// The microphone, through the codec, to the loudspeaker, while somebody speaks.

const SECONDS_AT_ONCE = 0.05; // shorter pieces come sooner, but take much more computing
const SECONDS_AHEAD = 0.08; // that the loudspeaker holds before it starts: pieces come unevenly

/**
 * Start; returns a function that stops and gives {waveform, codes}.
 *
 * `aloud` is a checkbox: whether the loudspeaker plays. `progress` gets every piece.
 */
export async function speak(codec, stages, aloud, progress) {
  const stream = await openMicrophone();
  const context = new AudioContext({sampleRate: codec.facts.sample_rate, latencyHint: "interactive"});
  const release = () => {
    stream.getTracks().forEach(track => track.stop());
    context.close();
  };
  try {
    const {capture, player} = await connect(context, stream, codec.facts, aloud);
    const result = codec.live(portTo(capture), portTo(player), stages, progress);
    result.catch(() => {}); // an error is met when somebody stops
    await context.resume();
    return async () => {
      capture.port.postMessage({stop: true});
      return result.finally(release);
    };
  } catch (error) {
    release();
    throw error;
  }
}

function openMicrophone() {
  if (!navigator.mediaDevices)
    throw new Error("a page may use the microphone only from https:// or from this machine");
  return navigator.mediaDevices.getUserMedia({audio: {
    channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false,
  }});
}

/** The worklets, between microphone and loudspeaker; `aloud` is a checkbox: whether that plays. */
async function connect(context, stream, {sample_rate: rate, hop_length: hop}, aloud) {
  await Promise.all(["capture.js", "player.js"].map(name =>
    context.audioWorklet.addModule(new URL(name, import.meta.url))));
  const capture = new AudioWorkletNode(context, "capture", {
    numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit",
    processorOptions: {samples: hop * Math.max(1, Math.round(SECONDS_AT_ONCE * rate / hop))}});
  const player = new AudioWorkletNode(context, "player", {
    numberOfInputs: 0, outputChannelCount: [1],
    processorOptions: {ahead: Math.round(SECONDS_AHEAD * rate)}});
  const volume = new GainNode(context, {gain: Number(aloud.checked)});
  aloud.onchange = () => (volume.gain.value = Number(aloud.checked));
  context.createMediaStreamSource(stream).connect(capture);
  player.connect(volume).connect(context.destination);
  return {capture, player};
}

/** One end of a channel whose other end the worklet gets. */
function portTo(node) {
  const {port1, port2} = new MessageChannel();
  node.port.postMessage({port: port1}, [port1]);
  return port2;
}
