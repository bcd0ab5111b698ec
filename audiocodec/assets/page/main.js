// The page: what is open, what is seen of it, and what the buttons do.

import {firstStages} from "./arrays.js";
import {FORMATS, isCodeFile, readCodeFile} from "./codefile.js";
import {Codec} from "./codec.js";
import {bitrate, frameBits} from "./metadata.js";
import {Meter} from "./meter.js";
import {speak} from "./microphone.js";
import {drawCodes, drawSound} from "./pictures.js";
import {readSound} from "./sound.js";
import {writeWav} from "./wav.js";

const by = id => document.getElementById(id);
const facts = await (await fetch("page.json")).json();
const codec = new Codec(facts);
const allStages = facts.codebook_sizes.length;
const stages = () => Number(by("stages").value);
const sizes = () => facts.codebook_sizes.slice(0, stages());

let open = null; // {name, source, length, codes}; source: what code files say about the recording
let finish = null; // ends the recording, while there is one

function say(text, failed = false) {
  by("status").textContent = text;
  by("status").classList.toggle("failed", failed);
}

/** Do what a button is for, and say what goes wrong. */
async function attempt(action) {
  try {
    await action();
  } catch (error) {
    say(error.message, true);
  }
}

/** Let somebody see, hear and save a waveform. */
function offer(id, waveform) {
  const [player, link] = [by(id), by(`${id}-link`)];
  URL.revokeObjectURL(player.src);
  const file = new Blob([writeWav(waveform, facts.sample_rate)], {type: "audio/wav"});
  player.src = link.href = URL.createObjectURL(file);
  link.download = `${open.name}.${id}.wav`;
  drawSound(by(`${id}-picture`), waveform, facts.hop_length);
  for (const element of [player, link, by(`${id}-part`)]) element.hidden = false;
}

function showBits() {
  const rate = bitrate({...facts, codebook_sizes: sizes()}) / 1000;
  by("bitrate").textContent = `${stages()} of ${allStages} quantizers, ${+rate.toFixed(2)} kbit/s`;
  if (!open) return;
  const bits = Math.ceil(open.codes.frames * frameBits(sizes()));
  by("bits").textContent = `${open.codes.frames} frames of ${stages()} codes: ` +
    `${bits.toLocaleString("en")} bits, ${Math.round(16 * open.length / bits)} times fewer than samples of 16 bits`;
  drawCodes(by("codes-picture"), open.codes, facts.codebook_sizes, stages());
  by("codes-part").hidden = false;
}

/** Decode what is open, with as many stages as the slider says. */
async function decode(encodingSeconds = null) {
  showBits();
  const sound = open;
  const result = await codec.decode(sound.codes, stages(), sound.length, progressOf(sound.name));
  if (!result || sound !== open) return; // something newer is under way
  offer("decoded", result.waveform);
  const duration = sound.length / facts.sample_rate;
  const speed = seconds => `at ${(duration / seconds).toFixed(1)} × real time`;
  const encoded = encodingSeconds === null ? "" : `encoded ${speed(encodingSeconds)}, `;
  say(`${sound.name}: ${duration.toFixed(2)} s, ${encoded}decoded ${speed(result.seconds)}`);
}

const progressOf = name => share => say(`${name}: ${Math.round(100 * share)} %`);

/** Let the slider go up to `most`; where it is, it stays if it can. */
const limitStages = most => (by("stages").max = most);

/** Make room for something else. */
function clear() {
  open = null;
  for (const part of ["original", "codes", "decoded"]) by(`${part}-part`).hidden = true;
  for (const id of ["original", "decoded"]) by(id).hidden = by(`${id}-link`).hidden = true;
}

async function openFile(file) {
  await finish?.();
  clear();
  const bytes = new Uint8Array(await file.arrayBuffer());
  const name = file.name.replace(/\.[^.]*$/, "");
  try {
    await (isCodeFile(bytes) ? openCodes(name, bytes) : openSound(name, bytes));
  } catch (error) {
    error.message = `${file.name}: ${error.message}`;
    throw error;
  }
}

async function openCodes(name, bytes) {
  const {codes, metadata} = readCodeFile(bytes, facts);
  open = {name, source: metadata, length: metadata.num_samples, codes};
  limitStages(codes.stages);
  await decode();
}

async function openSound(name, bytes) {
  const {waveform, source} = await readSound(bytes, facts.sample_rate);
  if (!waveform.length) throw new Error("has no samples");
  const result = await codec.encode(waveform, progressOf(name));
  if (result) await show(name, source, waveform, result.codes, result.seconds);
}

async function show(name, source, waveform, codes, encodingSeconds = null) {
  open = {name, source, length: waveform.length, codes};
  limitStages(allStages);
  offer("original", waveform);
  await decode(encodingSeconds);
}

/** Record, code, decode and play until the button is pressed again. */
async function record() {
  clear();
  limitStages(allStages);
  const canvases = ["original", "decoded"].map(id => by(`${id}-picture`));
  const meter = new Meter(facts, canvases, say);
  const stop = await speak(codec, stages(), by("aloud"), piece => meter.take(piece));
  by("record").textContent = "Stop";
  for (const canvas of canvases) canvas.parentElement.hidden = false;
  finish = async () => {
    finish = null;
    by("record").textContent = "Speak";
    const {waveform, codes} = await stop();
    if (!waveform.length) throw new Error("nothing has been recorded");
    const source = {
      source_sample_rate: facts.sample_rate, source_num_samples: waveform.length, source_channels: 1};
    await show("recording", source, waveform, codes);
  };
}

/** Give the codes as a file that the command line reads. */
function save(kind) {
  const metadata = {
    model: facts.model,
    model_hash: facts.model_hash,
    sample_rate: facts.sample_rate,
    hop_length: facts.hop_length,
    codebook_sizes: sizes(),
    num_samples: open.length,
    source_sample_rate: open.source.source_sample_rate,
    source_num_samples: open.source.source_num_samples,
    source_channels: open.source.source_channels,
    format_version: 1,
  };
  const link = document.createElement("a");
  link.download = `${open.name}.${kind}`;
  link.href = URL.createObjectURL(
    new Blob([FORMATS[kind].write(firstStages(open.codes, stages()), metadata)]));
  link.click();
  URL.revokeObjectURL(link.href);
}

function connect() {
  by("record").onclick = async () => {
    by("record").disabled = true; // until it has started, or ended
    await attempt(() => finish ? finish() : record());
    by("record").disabled = false;
  };
  by("file").onchange = ({target}) => attempt(async () => {
    const [file] = target.files;
    target.value = ""; // so that the same file can be opened again
    if (file) await openFile(file);
  });
  by("stages").oninput = () => attempt(async () => {
    codec.use(stages());
    showBits();
    if (open) await decode();
  });
  for (const kind of Object.keys(FORMATS)) by(`save-${kind}`).onclick = () => save(kind);
  document.ondragover = event => event.preventDefault();
  document.ondrop = event => {
    event.preventDefault();
    const [file] = event.dataTransfer.files;
    if (file) attempt(() => openFile(file));
  };
}

await attempt(async () => {
  showBits();
  say("The model is being loaded…");
  await codec.load();
  connect();
  by("controls").disabled = false;
  say("Ready: speak, or open a file.");
});
