// Code files of both kinds, told apart by their first bytes.

import {CodeFileError, has, latin} from "./bytes.js";
import * as npy from "./npy.js";
import * as packed from "./packed.js";

export {CodeFileError};
export const FORMATS = {npy, codec: packed};
const OTHERS = {"PK\x03\x04": "a .npz file", "\x89CODST\r\n": "a stream of codes"};

const formatOf = bytes => Object.values(FORMATS).find(({MAGIC}) => has(bytes, MAGIC));
const otherOf = bytes => Object.keys(OTHERS).find(magic => has(bytes, latin(magic)));

/** Whether a file's bytes are those of a code file, readable or not. */
export const isCodeFile = bytes => Boolean(formatOf(bytes) ?? otherOf(bytes));

/** {codes, metadata} of a code file of the model that `facts` describe; throws CodeFileError. */
export function readCodeFile(bytes, facts) {
  const format = formatOf(bytes);
  if (!format)
    throw new CodeFileError(`${OTHERS[otherOf(bytes)] ?? "not a code file"}; this page reads .npy and .codec`);
  const file = format.read(bytes);
  const {model, model_hash: hash, codebook_sizes: sizes} = file.metadata;
  if (hash !== facts.model_hash)
    throw new CodeFileError(
      `codes of model ${model} (${hash}); this page has ${facts.model} (${facts.model_hash})`);
  if (sizes.length > facts.codebook_sizes.length ||
      sizes.some((size, stage) => size !== facts.codebook_sizes[stage]) ||
      file.metadata.hop_length !== facts.hop_length || file.metadata.sample_rate !== facts.sample_rate)
    throw new CodeFileError("its rate, hop or codebooks are not those of its model");
  return file;
}
