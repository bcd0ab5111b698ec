// What a code file says about its codes (docs/formats.md), and what codes and metadata owe each other.
// Codes are {stages, frames, data}: a Uint32Array of stages * frames, stage by stage.

import {CodeFileError} from "./bytes.js";

const LIMITS = {
  sample_rate: 1e6,
  hop_length: 2 ** 20,
  num_samples: 2 ** 48,
  source_sample_rate: 1e6,
  source_num_samples: 2 ** 48,
  source_channels: 1024,
};
const FIELDS = ["model", "model_hash", "sample_rate", "hop_length", "codebook_sizes", "num_samples",
  "source_sample_rate", "source_num_samples", "source_channels", "format_version"];

/** Samples at `to` Hz that cover `length` samples at `from` Hz. */
export function resampledLength(length, from, to) {
  const [n, high, low] = [BigInt(length), BigInt(to), BigInt(from)];
  return Number((n * high + low - 1n) / low);
}

export const framesOf = metadata => Math.ceil(metadata.num_samples / metadata.hop_length);

/** Bits of one frame of these stages, and bits per second. */
export const frameBits = sizes => sizes.reduce((bits, size) => bits + Math.log2(size), 0);
export const bitrate = facts =>
  frameBits(facts.codebook_sizes) * facts.sample_rate / facts.hop_length;

/** Bytes of one code as arrays store it. */
export function itemSize(sizes) {
  const largest = Math.max(...sizes);
  return largest <= 256 ? 1 : largest <= 65536 ? 2 : 4;
}

const whole = (value, most) => Number.isInteger(value) && value >= 1 && value <= most;

/** Throws CodeFileError unless these are the metadata of a code file. */
export function checkMetadata(metadata) {
  if (metadata === null || typeof metadata !== "object" ||
      Object.keys(metadata).sort().join() !== [...FIELDS].sort().join())
    throw new CodeFileError(`metadata must have the fields ${FIELDS.join(", ")}`);
  if (metadata.format_version !== 1)
    throw new CodeFileError(`format version ${metadata.format_version}; this page reads version 1`);
  for (const [name, most] of Object.entries(LIMITS))
    if (!whole(metadata[name], most))
      throw new CodeFileError(`metadata ${name} is ${metadata[name]}; it must be 1 to ${most}`);
  for (const name of ["model", "model_hash"])
    if (typeof metadata[name] !== "string" || !whole([...metadata[name]].length, 200))
      throw new CodeFileError(`metadata ${name} must be a text of 1 to 200 letters`);
  const sizes = metadata.codebook_sizes;
  if (!Array.isArray(sizes) || !whole(sizes.length, 64) ||
      !sizes.every(size => whole(size, 2 ** 32) && size > 1))
    throw new CodeFileError("metadata codebook_sizes must list the size of each stage");
  const expected = resampledLength(
    metadata.source_num_samples, metadata.source_sample_rate, metadata.sample_rate);
  if (metadata.num_samples !== expected)
    throw new CodeFileError(`metadata num_samples is ${metadata.num_samples}, not ${expected}`);
}

/** Throws CodeFileError if a code lies outside its codebook. */
export function checkCodes(codes, metadata) {
  metadata.codebook_sizes.forEach((size, stage) => {
    const row = codes.data.subarray(stage * codes.frames, (stage + 1) * codes.frames);
    if (row.some(code => code >= size))
      throw new CodeFileError(`stage ${stage} has codes outside its codebook, 0 to ${size - 1}`);
  });
}
