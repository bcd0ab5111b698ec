// What all code files are made of: an error that users read, checksums, little-endian numbers.

export class CodeFileError extends Error {}

const TABLE = Uint32Array.from({length: 256}, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

/** CRC-32 (IEEE 802.3) of `bytes`, continued from that of what is before them. */
export function crc32(bytes, before = 0) {
  let crc = ~before;
  for (const byte of bytes) crc = TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}

export const latin = text => Uint8Array.from(text, letter => letter.charCodeAt(0));
export const u16 = value => Uint8Array.of(value, value >>> 8);
export const u32 = value => Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24);

/** The unsigned 32-bit number at `offset`. */
export const u32At = (bytes, offset) =>
  new DataView(bytes.buffer, bytes.byteOffset).getUint32(offset, true);

/** Whether `bytes` has `magic` at `offset`. */
export const has = (bytes, magic, offset = 0) =>
  magic.every((byte, index) => bytes[offset + index] === byte);

export function concatenate(parts) {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** UTF-8, strictly. */
export function utf8(bytes) {
  try {
    return new TextDecoder("utf-8", {fatal: true, ignoreBOM: true}).decode(bytes);
  } catch {
    throw new CodeFileError("damaged: its text is not UTF-8");
  }
}
