// Audio files to samples at the model's rate.
//
// WAV and FLAC files at that rate give the samples of the command line, hence the same codes. All
// else is decoded and resampled by the browser, whose filter is not that of the command line.

import {has, latin} from "./bytes.js";
import {resampledLength} from "./metadata.js";
import {mean, readWav} from "./wav.js";

/** {waveform, source}: one channel at `rate`, and what code files say about the recording. */
export async function readSound(bytes, rate) {
  const wav = readWav(bytes), flac = wav ? null : readFlacHeader(bytes);
  const sound = wav?.rate === rate ? wav : await decode(bytes, rate);
  if (!sound.waveform.every(Number.isFinite)) throw new Error("it has samples that are no numbers");
  if (flac?.rate === rate && flac.bits === 16) sound.waveform = mean(
    sound.waveform.length, sound.channels.length, (time, channel) => exact(sound.channels[channel][time]));
  const file = wav ? {...wav, length: wav.waveform.length} : flac;
  const length = file?.length ? resampledLength(file.length, file.rate, rate) : sound.waveform.length;
  const waveform = new Float32Array(length); // decoders round lengths differently
  waveform.set(sound.waveform.subarray(0, length));
  return {waveform, source: {
    source_sample_rate: file?.length ? file.rate : rate,
    source_num_samples: file?.length || length,
    source_channels: file?.channels ?? sound.channels.length,
  }};
}

async function decode(bytes, rate) {
  let buffer;
  try {
    buffer = await new OfflineAudioContext(1, 1, rate).decodeAudioData(bytes.slice().buffer);
  } catch {
    throw new Error("this browser cannot read it as audio");
  }
  const channels = Array.from({length: buffer.numberOfChannels}, (_, c) => buffer.getChannelData(c));
  return {channels, waveform: mean(buffer.length, channels.length, (time, channel) => channels[channel][time])};
}

/** {rate, channels, bits, length} of a FLAC file, null for any other; length 0 if it is unknown. */
function readFlacHeader(bytes) {
  if (!has(bytes, latin("fLaC")) || bytes.length < 26) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const packed = view.getBigUint64(18); // 20 bits of rate, 3 of channels, 5 of bits, 36 of length
  return {
    rate: Number(packed >> 44n),
    channels: Number((packed >> 41n) & 7n) + 1,
    bits: Number((packed >> 36n) & 31n) + 1,
    length: Number(packed & 0xfffffffffn),
  };
}

/** A sample of 16 bits by the rule of libsndfile; Chromium divides those above 0 by 32767. */
const exact = value =>
  (value > 0 ? Math.min(32767, Math.round(value * 32767.5)) : Math.round(value * 32768)) / 32768;
