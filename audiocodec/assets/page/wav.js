// WAV files: plain PCM and floats, read sample by sample as libsndfile does it, and written as floats.

import {concatenate, has, latin, u16, u32, u32At} from "./bytes.js";

const UNKNOWN_SIZES = [0, 0x7ffff000, 0xffffffff]; // of programs that write into pipes

/** {waveform, rate, channels} of a WAV file, channels averaged; null for any other file. */
export function readWav(bytes) {
  if (!has(bytes, latin("RIFF")) || !has(bytes, latin("WAVE"), 8)) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let format = null;
  for (let offset = 12; offset + 8 <= bytes.length;) {
    const size = u32At(bytes, offset + 4), start = offset + 8;
    if (has(bytes, latin("fmt "), offset) && size >= 16 && start + size <= bytes.length)
      format = readFormat(view, start, size);
    if (has(bytes, latin("data"), offset)) {
      const held = UNKNOWN_SIZES.includes(size) ? bytes.length - start : size;
      if (start + held > bytes.length) throw new Error("truncated: its samples are not complete");
      return format && samples(view, start, held, format);
    }
    offset = start + size + size % 2;
  }
  return null;
}

function readFormat(view, start, size) {
  const kind = view.getUint16(start, true), extensible = kind === 0xfffe && size >= 40;
  return {
    kind: extensible ? view.getUint16(start + 24, true) : kind,
    channels: view.getUint16(start + 2, true),
    rate: view.getUint32(start + 4, true),
    bits: view.getUint16(start + 14, true),
  };
}

function samples(view, start, size, {kind, channels, rate, bits}) {
  const at = reader(view, start, `${kind === 3 ? "float" : kind === 1 ? "pcm" : kind} ${bits}`);
  if (!at || !channels) return null;
  const length = Math.floor(size / (channels * bits / 8));
  const waveform = mean(length, channels, (time, channel) => at(time * channels + channel));
  return {waveform, rate, channels};
}

/** A function from the number of a sample to its value. */
function reader(view, start, format) {
  return {
    "pcm 8": i => (view.getUint8(start + i) - 128) / 2 ** 7,
    "pcm 16": i => view.getInt16(start + 2 * i, true) / 2 ** 15,
    "pcm 24": i => (view.getUint16(start + 3 * i, true) + 2 ** 16 * view.getInt8(start + 3 * i + 2)) / 2 ** 23,
    "pcm 32": i => view.getInt32(start + 4 * i, true) / 2 ** 31,
    "float 32": i => view.getFloat32(start + 4 * i, true),
    "float 64": i => view.getFloat64(start + 8 * i, true),
  }[format];
}

/** The mean of channels in single precision, added up in the order of NumPy. */
export function mean(length, channels, at) {
  const waveform = new Float32Array(length);
  for (let time = 0; time < length; time++) {
    let sum = Math.fround(at(time, 0));
    for (let channel = 1; channel < channels; channel++) sum = Math.fround(sum + Math.fround(at(time, channel)));
    waveform[time] = sum / channels;
  }
  return waveform;
}

/** A WAV file of single-precision samples: what is heard, to the last bit. */
export function writeWav(waveform, rate) {
  const data = new Uint8Array(waveform.buffer, waveform.byteOffset, waveform.byteLength);
  return concatenate([
    latin("RIFF"), u32(50 + data.length), latin("WAVE"),
    latin("fmt "), u32(18), u16(3), u16(1), u32(rate), u32(4 * rate), u16(4), u16(32), u16(0),
    latin("fact"), u32(4), u32(waveform.length),
    latin("data"), u32(data.length), data,
  ]);
}
