// Codes are {stages, frames, data}: a Uint32Array, stage by stage. Waveforms are Float32Arrays.

/** Codes of pieces that follow one another, as one. */
export function joinCodes(pieces, stages) {
  const frames = pieces.reduce((sum, piece) => sum + piece.frames, 0);
  const data = new Uint32Array(stages * frames);
  let offset = 0;
  for (const piece of pieces) {
    for (let stage = 0; stage < stages; stage++)
      data.set(piece.data.subarray(stage * piece.frames, (stage + 1) * piece.frames), stage * frames + offset);
    offset += piece.frames;
  }
  return {stages, frames, data};
}

/** The frames `start` to `stop` - 1 of codes. */
export function framesOfCodes({stages, frames, data}, start, stop) {
  const piece = {stages, frames: stop - start, data: new Uint32Array(stages * (stop - start))};
  for (let stage = 0; stage < stages; stage++)
    piece.data.set(data.subarray(stage * frames + start, stage * frames + stop), stage * piece.frames);
  return piece;
}

/** Samples of pieces that follow one another, as one. */
export function joinSamples(pieces) {
  const whole = new Float32Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let offset = 0;
  for (const piece of pieces) {
    whole.set(piece, offset);
    offset += piece.length;
  }
  return whole;
}

/** The first `stages` stages of codes: the same sound at a lower bitrate. */
export const firstStages = (codes, stages) =>
  ({stages, frames: codes.frames, data: codes.data.subarray(0, stages * codes.frames)});
