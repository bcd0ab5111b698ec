// Code files as `codec encode` writes them: a .npy array, JSON metadata, a CRC-32 of the whole file.

import {CodeFileError, concatenate, crc32, has, latin, u16, u32, u32At, utf8} from "./bytes.js";
import {checkCodes, checkMetadata, framesOf, itemSize} from "./metadata.js";

export const MAGIC = latin("\x93NUMPY");
const FOOTER_MAGIC = latin("\x89CODES\r\n");
const FOOTER = 20; // bytes: version, size of the metadata, magic, checksum
const ALIGNMENT = 64;
const ARRAYS = {1: Uint8Array, 2: Uint16Array, 4: Uint32Array};
const TYPES = {1: "|u1", 2: "<u2", 4: "<u4"};
const HEADER = /^\{'descr': '([^']{1,8})', 'fortran_order': False, 'shape': \((\d{1,15}(?:, \d{1,15})*),?\),? ?\} *\n$/;

/** The bytes of a code file. */
export function write(codes, metadata) {
  checkMetadata(metadata);
  const size = itemSize(metadata.codebook_sizes);
  const array = new Uint8Array(ARRAYS[size].from(codes.data).buffer); // little-endian, as browsers are
  const text = new TextEncoder().encode(JSON.stringify(metadata));
  const body = concatenate([
    header(TYPES[size], codes), array, text, u32(1), u32(text.length), FOOTER_MAGIC]);
  return concatenate([body, u32(crc32(body))]);
}

function header(type, {stages, frames}) {
  const text = `{'descr': '${type}', 'fortran_order': False, 'shape': (${stages}, ${frames}), }`;
  const before = MAGIC.length + 4;
  const size = Math.ceil((before + text.length + 1) / ALIGNMENT) * ALIGNMENT - before;
  return concatenate([MAGIC, Uint8Array.of(1, 0), u16(size), latin(`${text.padEnd(size - 1)}\n`)]);
}

/** {codes, metadata} of a code file; throws CodeFileError for anything else. */
export function read(bytes) {
  const {start, type, shape} = readHeader(bytes);
  const size = shape.reduce((product, length) => product * length, Number(type[2]));
  const end = bytes.length - FOOTER;
  if (bytes.length < start + size) throw new CodeFileError("truncated: its array is not complete");
  if (bytes.length === start + size)
    throw new CodeFileError("an array without metadata; `codec decode --model` decodes those");
  if (end < start + size) throw new CodeFileError("truncated: it ends within the metadata");
  if (!has(bytes, FOOTER_MAGIC, end + 8) ||
      crc32(bytes.subarray(0, -4)) !== u32At(bytes, bytes.length - 4))
    throw new CodeFileError("damaged: the checksum does not fit the contents");
  if (u32At(bytes, end) !== 1)
    throw new CodeFileError(`format version ${u32At(bytes, end)}; this page reads version 1`);
  if (start + size + u32At(bytes, end + 4) !== end)
    throw new CodeFileError("damaged: the lengths of array and metadata do not add up");
  const metadata = parse(bytes.subarray(start + size, end));
  return {codes: readCodes(bytes.slice(start, start + size), type, shape, metadata), metadata};
}

function parse(bytes) {
  let metadata;
  try {
    metadata = JSON.parse(utf8(bytes));
  } catch {
    throw new CodeFileError("metadata is not valid JSON");
  }
  checkMetadata(metadata);
  return metadata;
}

function readCodes(array, type, shape, metadata) {
  const size = itemSize(metadata.codebook_sizes);
  if (type !== TYPES[size]) throw new CodeFileError(`codes are ${type}; they must be ${TYPES[size]}`);
  const stages = metadata.codebook_sizes.length, frames = framesOf(metadata);
  if (shape.length === 3 && shape[0] === metadata.source_channels)
    throw new CodeFileError(`it has ${shape[0]} channels, coded separately; this page plays one`);
  if (shape.join() !== [stages, frames].join())
    throw new CodeFileError(`codes have shape (${shape.join(", ")}), not (${stages}, ${frames})`);
  const codes = {stages, frames, data: Uint32Array.from(new ARRAYS[size](array.buffer))};
  checkCodes(codes, metadata);
  return codes;
}

function readHeader(bytes) {
  const wide = bytes[6] === 2;
  const before = MAGIC.length + (wide ? 6 : 4);
  if (bytes.length < before || !(wide || bytes[6] === 1) || bytes[7] !== 0)
    throw new CodeFileError("its npy version is neither 1.0 nor 2.0");
  const start = before + (wide ? u32At(bytes, 8) : bytes[8] + 256 * bytes[9]);
  const match = HEADER.exec(String.fromCharCode(...bytes.slice(before, Math.min(start, 4096))));
  if (!match || !Object.values(TYPES).includes(match[1]))
    throw new CodeFileError("its header does not describe an array of codes");
  return {start, type: match[1], shape: match[2].split(", ").map(Number)};
}
