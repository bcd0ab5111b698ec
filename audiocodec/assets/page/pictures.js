// Pictures of a waveform (a spectrogram) and of codes, as wide as they need at most `COLUMNS`.

const SIZE = 512, COLUMNS = 1200, RANGE_DB = 80;

const WINDOW = Float32Array.from({length: SIZE}, (_, i) => 0.5 - 0.5 * Math.cos(2 * Math.PI * i / SIZE));
const COS = Float32Array.from({length: SIZE / 2}, (_, i) => Math.cos(2 * Math.PI * i / SIZE));
const SIN = Float32Array.from({length: SIZE / 2}, (_, i) => Math.sin(2 * Math.PI * i / SIZE));
const REVERSED = Uint16Array.from({length: SIZE}, (_, i) => {
  let reversed = 0;
  for (let bit = 1; bit < SIZE; bit *= 2) reversed = 2 * reversed + (i & bit ? 1 : 0);
  return reversed;
});

/** In place: the discrete Fourier transform of values in bit-reversed order (radix 2). */
function transform(real, imaginary) {
  for (let half = 1; half < SIZE; half *= 2)
    for (let start = 0; start < SIZE; start += 2 * half)
      for (let i = start, turn = 0; i < start + half; i++, turn += SIZE / (2 * half)) {
        const j = i + half;
        const re = real[j] * COS[turn] + imaginary[j] * SIN[turn];
        const im = imaginary[j] * COS[turn] - real[j] * SIN[turn];
        real[j] = real[i] - re;
        imaginary[j] = imaginary[i] - im;
        real[i] += re;
        imaginary[i] += im;
      }
}

/** Levels in dB of the frequencies of a column, of the samples around `centre`. */
function levels(waveform, centre, real, imaginary) {
  for (let i = 0; i < SIZE; i++) {
    real[REVERSED[i]] = WINDOW[i] * (waveform[centre - SIZE / 2 + i] ?? 0);
    imaginary[i] = 0;
  }
  transform(real, imaginary);
  return Float32Array.from({length: SIZE / 2}, (_, k) =>
    10 * Math.log10(real[k] ** 2 + imaginary[k] ** 2 + 1e-12));
}

/** Dark blue to yellow; `share` is 0 to 1. */
const colour = share => [255 * share ** 1.2, 220 * share ** 2 + 15, 70 + 150 * share - 200 * share ** 2, 255];

/** Draw columns of `height` colours each. */
function paint(canvas, columns, height, colourAt) {
  canvas.width = Math.max(1, columns);
  canvas.height = height;
  const image = new ImageData(canvas.width, height);
  for (let x = 0; x < columns; x++)
    for (let y = 0; y < height; y++) image.data.set(colourAt(x, y), 4 * (y * canvas.width + x));
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/** A spectrogram, 80 dB below the loudest point; one column for every `hop` samples, or fewer. */
export function drawSound(canvas, waveform, hop) {
  const columns = Math.min(COLUMNS, Math.ceil(waveform.length / hop));
  const [real, imaginary] = [new Float32Array(SIZE), new Float32Array(SIZE)];
  const table = Array.from({length: columns}, (_, x) =>
    levels(waveform, Math.round((x + 0.5) * waveform.length / columns), real, imaginary));
  const loudest = table.reduce((most, column) => column.reduce((a, b) => Math.max(a, b), most), -60);
  paint(canvas, columns, SIZE / 2, (x, y) =>
    colour(Math.max(0, 1 + (table[x][SIZE / 2 - 1 - y] - loudest) / RANGE_DB)));
}

/** A row for each stage, a colour for each code; stages from `used` on are pale. */
export function drawCodes(canvas, codes, sizes, used) {
  const columns = Math.min(COLUMNS, codes.frames);
  paint(canvas, columns, codes.stages, (x, stage) => {
    const code = codes.data[stage * codes.frames + Math.floor(x * codes.frames / columns)];
    const [r, g, b] = colour(code / (sizes[stage] - 1));
    const mix = value => stage < used ? value : 215 + value / 8;
    return [mix(r), mix(g), mix(b), 255];
  });
}
