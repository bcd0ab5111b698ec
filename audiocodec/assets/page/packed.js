// Compact code files, `.codec`: codes in whole bits, in blocks with checksums of their own.

import {CodeFileError, concatenate, crc32, has, latin, u16, u32, u32At, utf8} from "./bytes.js";
import {checkCodes, checkMetadata, framesOf, resampledLength} from "./metadata.js";

export const MAGIC = latin("\x89CODEC\r\n");
const BLOCK_FRAMES = 1024;
const FIXED = 33; // bytes of the fields before the texts
const MOST_FIELDS = 1 << 22, MOST_BLOCK_CODES = 1 << 20;

const widths = sizes => sizes.map(size => 32 - Math.clz32(size - 1));
const payloadSize = (frames, sizes) =>
  Math.ceil(frames * widths(sizes).reduce((sum, width) => sum + width, 0) / 8);
const blockCrc = (index, payload) => crc32(payload, crc32(u32(index)));

/** The bytes of a bit-packed file. */
export function write(codes, metadata) {
  checkMetadata(metadata);
  const payloads = [];
  for (let start = 0; start < codes.frames; start += BLOCK_FRAMES)
    payloads.push(pack(codes, start, Math.min(codes.frames, start + BLOCK_FRAMES), metadata));
  const fields = concatenate([
    ...fixedFields(metadata), ...payloads.map(payload => u32(payload.length))]);
  const header = concatenate([MAGIC, u32(1), u32(fields.length), fields]);
  const blocks = payloads.flatMap((payload, index) => [payload, u32(blockCrc(index, payload))]);
  return concatenate([header, u32(crc32(header)), ...blocks]);
}

function fixedFields(metadata) {
  const encoder = new TextEncoder();
  const [name, hash] = [encoder.encode(metadata.model), encoder.encode(metadata.model_hash)];
  const sizes = metadata.codebook_sizes, length = metadata.source_num_samples;
  return [
    Uint8Array.of(0, 0), u16(metadata.source_channels),
    u32(metadata.sample_rate), u32(metadata.hop_length), u32(metadata.source_sample_rate),
    u32(length % 2 ** 32), u32(Math.floor(length / 2 ** 32)), u32(BLOCK_FRAMES),
    u16(name.length), u16(hash.length), Uint8Array.of(sizes.length),
    name, hash, ...sizes.map(size => u32(size - 1)),
  ];
}

/** Frame by frame, stage by stage, high bit first. */
function pack({frames, data}, start, stop, {codebook_sizes}) {
  const bits = widths(codebook_sizes);
  const payload = new Uint8Array(payloadSize(stop - start, codebook_sizes));
  let place = 0;
  for (let frame = start; frame < stop; frame++)
    bits.forEach((width, stage) => {
      const code = data[stage * frames + frame];
      for (let bit = width - 1; bit >= 0; bit--, place++)
        payload[place >> 3] |= ((code >>> bit) & 1) << (7 - (place & 7));
    });
  return payload;
}

/** {codes, metadata} of a bit-packed file; throws CodeFileError for anything else. */
export function read(bytes) {
  const {metadata, blockFrames, blockBytes, start} = readHeader(bytes);
  const frames = framesOf(metadata), stages = metadata.codebook_sizes.length;
  const codes = {stages, frames, data: new Uint32Array(stages * frames)};
  let offset = start;
  blockBytes.forEach((size, index) => {
    const first = index * blockFrames, stop = Math.min(frames, first + blockFrames);
    if (bytes.length < offset + size + 4)
      throw new CodeFileError(`truncated within block ${index} of ${blockBytes.length}`);
    const payload = bytes.subarray(offset, offset + size);
    if (blockCrc(index, payload) !== u32At(bytes, offset + size))
      throw new CodeFileError(`damaged: the checksum of block ${index} does not fit its contents`);
    unpack(payload, codes, first, stop, metadata);
    offset += size + 4;
  });
  if (offset !== bytes.length) throw new CodeFileError("damaged: there is data after its last block");
  checkCodes(codes, metadata);
  return {codes, metadata};
}

function unpack(payload, {frames, data}, start, stop, {codebook_sizes}) {
  const bits = widths(codebook_sizes);
  let place = 0;
  const next = () => (payload[place >> 3] >> (7 - (place++ & 7))) & 1;
  for (let frame = start; frame < stop; frame++)
    bits.forEach((width, stage) => {
      let code = 0;
      for (let bit = 0; bit < width; bit++) code = code * 2 + next();
      data[stage * frames + frame] = code;
    });
  while (place < 8 * payload.length)
    if (next()) throw new CodeFileError("damaged: bits are set after the last code of a block");
}

function readHeader(bytes) {
  if (bytes.length < MAGIC.length + 8) throw new CodeFileError("truncated within the header");
  const size = u32At(bytes, 12), end = 16 + size;
  if (size > MOST_FIELDS) throw new CodeFileError(`damaged: its header claims ${size} bytes`);
  if (bytes.length < end + 4) throw new CodeFileError("truncated within the header");
  if (crc32(bytes.subarray(0, end)) !== u32At(bytes, end))
    throw new CodeFileError("damaged: the checksum of the header does not fit its contents");
  if (u32At(bytes, 8) !== 1)
    throw new CodeFileError(`format version ${u32At(bytes, 8)}; this page reads version 1`);
  try {
    return {...parse(bytes.slice(16, end)), start: end + 4};
  } catch (error) {
    if (error instanceof RangeError)
      throw new CodeFileError("damaged: its header is too short for what it says");
    throw error;
  }
}

/** Throws RangeError for fields that are shorter than they say. */
function parse(fields) {
  const view = new DataView(fields.buffer);
  const [coding, apart, channels] = [fields[0], fields[1], view.getUint16(2, true)];
  const blockFrames = view.getUint32(24, true);
  const nameEnd = FIXED + view.getUint16(28, true), hashEnd = nameEnd + view.getUint16(30, true);
  const stages = fields[32];
  if (coding === 1)
    throw new CodeFileError("entropy coded; `codec convert FILE OUT.npy` makes a file for this page");
  if (apart) throw new CodeFileError(`it has ${channels} channels, coded separately; this page plays one`);
  const sizes = Array.from({length: stages}, (_, s) => view.getUint32(hashEnd + 4 * s, true) + 1);
  const [rate, sourceRate] = [view.getUint32(4, true), view.getUint32(12, true)];
  const length = Number(view.getBigUint64(16, true));
  if (coding || !rate || !sourceRate)
    throw new CodeFileError("its header has values that no version 1 file has");
  const metadata = {
    model: utf8(fields.subarray(FIXED, nameEnd)),
    model_hash: utf8(fields.subarray(nameEnd, hashEnd)),
    sample_rate: rate,
    hop_length: view.getUint32(8, true),
    codebook_sizes: sizes,
    num_samples: resampledLength(length, sourceRate, rate),
    source_sample_rate: sourceRate,
    source_num_samples: length,
    source_channels: channels,
    format_version: 1,
  };
  checkMetadata(metadata);
  if (!blockFrames || blockFrames * stages > MOST_BLOCK_CODES)
    throw new CodeFileError(`blocks of ${blockFrames} frames are too large`);
  return {metadata, blockFrames, blockBytes: blockIndex(fields, hashEnd + 4 * stages, metadata, blockFrames)};
}

function blockIndex(fields, start, metadata, blockFrames) {
  const frames = framesOf(metadata), blocks = Math.ceil(frames / blockFrames);
  if (fields.length - start !== 4 * blocks)
    throw new CodeFileError(`damaged: its index does not list ${blocks} blocks`);
  return Array.from({length: blocks}, (_, index) => {
    const size = u32At(fields, start + 4 * index);
    const held = Math.min(blockFrames, frames - index * blockFrames);
    if (size !== payloadSize(held, metadata.codebook_sizes))
      throw new CodeFileError(`block ${index} has ${size} bytes; its frames need another number`);
    return size;
  });
}
