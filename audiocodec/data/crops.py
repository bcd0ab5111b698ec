"""Random crops that are a pure function of (seed, step, index).

Each crop draws from its own Philox stream, so it depends on no worker, no process and no crop
before it: training can stop and go on anywhere, on any number of machines, with the same data.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from audiocodec.audio import AudioInfo, audio_info, read_audio
from audiocodec.audio_blocks import AudioReader
from audiocodec.data.data_dir import Utterance
from audiocodec.data.faults import clipped_share, is_silent
from audiocodec.data.utterances import columns_of
from audiocodec.errors import AudioError, ConfigError, DataError
from audiocodec.lengths import resampled_length
from audiocodec.soundfiles.sources import Source, source_name

_STREAM = 0  # training draws other numbers of the same seed from other streams
_TRIES = 10  # crops drawn for one place before a silent one is accepted
_MARGIN = 256  # samples of the file read beyond a crop's ends, where the resampler's filter starts


@dataclass(frozen=True)
class CropsConfig:
    seconds: float = 1.0
    min_gain_db: float = -10.0  # every crop is scaled by a uniform gain in dB,
    max_gain_db: float = 6.0  # but never beyond full scale
    min_peak: float = 1e-3  # quieter crops are drawn again: nothing is learnt from silence
    speaker_exponent: float = 1.0  # a speaker's share is duration ** this; 0: all speakers alike
    draw: Literal["duration", "file"] = "duration"  # file: all files alike, whatever their length
    short: Literal["silence", "repeat"] = (
        "silence"  # what fills a crop that is longer than its file
    )

    def __post_init__(self) -> None:
        if self.seconds <= 0:
            raise ConfigError(f"crops.seconds is {self.seconds}; give a positive length")
        if self.min_gain_db > self.max_gain_db:
            raise ConfigError("crops.min_gain_db is above crops.max_gain_db")
        if self.draw == "file" and self.speaker_exponent != 1:
            raise ConfigError(
                "crops.speaker_exponent weighs speakers by duration, at which crops.draw file does "
                "not look; give one of them"
            )
        if not 0 <= self.speaker_exponent <= 1:
            raise ConfigError(
                f"crops.speaker_exponent is {self.speaker_exponent}; give 0 (all speakers alike) "
                "to 1 (every second of audio alike)"
            )


class CropWarning(NamedTuple):
    """What is wrong with a file: `fault` is unreadable, silent or clipped."""

    utterance_id: str
    fault: str
    text: str


class Crop(NamedTuple):
    """waveform: (time,) float32; shorter utterances end in zeros. bandwidth: Hz, what its file can
    hold, at most half of the codec's rate. Warnings are about files that were met for it, each
    fault once in the life of a `Crops`.
    """

    waveform: np.ndarray
    utterance_id: str
    bandwidth: float
    warnings: tuple[CropWarning, ...] = ()


class Crops:
    """Crops of a list of utterances, by default each second of audio equally likely.

    An utterance without a `sample_rate` is read at the rate its file states.

    Raises:
        DataError: there are no utterances.
    """

    def __init__(
        self, utterances: Sequence[Utterance], config: CropsConfig, sample_rate: int, seed: int
    ) -> None:
        if not utterances:
            raise DataError("no utterances to train on; check the data directories")
        self.utterances, self.config = utterances, config
        self.sample_rate, self.seed = sample_rate, seed
        self.crop_samples = round(config.seconds * sample_rate)
        self._cumulative = np.cumsum(self._weights())
        self._examined: set[tuple[str, str]] = set()  # ids and faults that were looked into

    def _weights(self) -> np.ndarray:
        columns = columns_of(self.utterances)
        rates = np.where(columns.sample_rate > 0, columns.sample_rate, self.sample_rate)
        seconds = columns.num_samples / rates
        if not seconds.any():
            raise DataError("the utterances to train on have no samples; check utt2num_samples")
        if self.config.draw == "file":
            return (seconds > 0).astype(float)
        totals = np.bincount(columns.speaker, weights=seconds)
        power = self.config.speaker_exponent - 1
        # NumPy's powers differ in their last bits from machine to machine.
        factors = np.array([total**power if total else 0.0 for total in totals.tolist()])
        return seconds * factors[columns.speaker]

    def __call__(self, step: int, index: int) -> Crop:
        """Crop `index` of the global batch of `step`.

        Raises:
            DataError: no file that could be read was found in several draws.
        """
        key = np.array([self.seed, _STREAM], dtype=np.uint64)
        counter = np.array([0, 0, step, index], dtype=np.uint64)
        random = np.random.Generator(np.random.Philox(key=key, counter=counter))
        crop, trouble = None, ""
        warnings: list[CropWarning] = []
        for _ in range(_TRIES):
            utterance = self._draw_utterance(random)
            try:
                crop = self._draw_crop(utterance, random, warnings)
            except AudioError as error:
                trouble = str(error)
                if self._first_time(utterance, "unreadable"):
                    warnings.append(
                        CropWarning(utterance.id, "unreadable", f"is left out: {error}")
                    )
                continue
            if np.abs(crop.waveform).max() >= self.config.min_peak:
                break
        if crop is None:
            raise DataError(
                f"{_TRIES} files in a row could not be read, the last since {trouble}; run codec "
                "data validate on the data"
            )
        return crop._replace(warnings=tuple(warnings))

    def _draw_utterance(self, random: np.random.Generator) -> Utterance:
        second = random.random() * self._cumulative[-1]
        index = int(np.searchsorted(self._cumulative, second, side="right"))
        return self.utterances[min(index, len(self.utterances) - 1)]

    def _draw_crop(
        self, utterance: Utterance, random: np.random.Generator, warnings: list[CropWarning]
    ) -> Crop:
        place, gain_place = random.random(2)
        source = utterance.source
        rate = utterance.sample_rate or audio_info(source).sample_rate
        waveform = self._read(utterance, source, rate, place)
        warnings.extend(self._examine(utterance, waveform))
        decibels = self.config.min_gain_db + gain_place * (
            self.config.max_gain_db - self.config.min_gain_db
        )
        gain = 10 ** (decibels / 20)
        peak = float(np.abs(waveform).max(initial=0.0))
        waveform = waveform * np.float32(min(gain, 1 / max(peak, 1e-9)))
        return Crop(self._filled(waveform), utterance.id, min(rate, self.sample_rate) / 2)

    def _filled(self, waveform: np.ndarray) -> np.ndarray:
        """A whole crop of what may be shorter, (time,) float32."""
        if self.config.short == "repeat" and len(waveform):
            return np.resize(waveform, self.crop_samples).astype(np.float32)
        padded = np.zeros(self.crop_samples, dtype=np.float32)
        padded[: len(waveform)] = waveform
        return padded

    def _read(self, utterance: Utterance, source: Source, rate: int, place: float) -> np.ndarray:
        """The crop at `place` (0..1) of the utterance: (time,), shorter at the end of a file."""
        needed = resampled_length(self.crop_samples, self.sample_rate, rate)
        start = int(place * max(utterance.num_samples - needed + 1, 1))
        margin = 0 if rate == self.sample_rate else _MARGIN
        before = min(start, margin)
        count = before + needed + margin
        if utterance.recording is not None:  # what comes after a segment is another one's
            count = min(count, before + utterance.num_samples - start)
        waveform, info, _ = read_audio(
            source,
            self.sample_rate,
            start=utterance.start + start - before,
            num_samples=count,
        )
        _refuse_others(utterance, source_name(source), rate, info)
        first = before * self.sample_rate // rate
        return waveform[0, first : first + self.crop_samples]

    def _examine(self, utterance: Utterance, waveform: np.ndarray) -> Iterator[CropWarning]:
        """Faults of the file of which `waveform` is a crop, at its own level."""
        clipped = clipped_share(waveform)
        if clipped and self._first_time(utterance, "clipped"):
            found = f"is clipped: {clipped:.1%} of the samples of a crop at full scale"
            yield CropWarning(utterance.id, "clipped", f"{found}; prefer other takes")
        # A crop may be a pause: then the whole file is looked through, which no other crop repeats.
        looked = is_silent(waveform) and self._first_time(utterance, "silent")
        if looked and _is_silent_file(utterance):
            found = "is silent from beginning to end"
            yield CropWarning(
                utterance.id, "silent", f"{found}; codec data validate --fix drops it"
            )

    def _first_time(self, utterance: Utterance, fault: str) -> bool:
        key = (utterance.id, fault)
        known = key in self._examined
        self._examined.add(key)
        return not known


def _refuse_others(utterance: Utterance, name: str, rate: int, info: AudioInfo) -> None:
    """Raises AudioError if the file is not the one that its data directory describes."""
    cure = "write a true copy of the data directory with codec data validate --fix"
    if info.sample_rate != rate:
        raise AudioError(f"{name}: is at {info.sample_rate} Hz, not at {rate}; {cure}")
    end = utterance.start + utterance.num_samples
    if end > info.num_samples:
        raise AudioError(
            f"{name}: has {info.num_samples} samples, not the {end} that its data "
            f"directory counts; {cure}"
        )


def _is_silent_file(utterance: Utterance) -> bool:
    """Reads no further than to the first sound."""
    try:
        if utterance.recording is not None:
            start, count = utterance.start, utterance.num_samples
            return is_silent(read_audio(utterance.source, start=start, num_samples=count).waveform)
        with contextlib.closing(AudioReader(utterance.source).blocks()) as blocks:
            return all(is_silent(block) for block in blocks)
    except AudioError:  # its crops will tell; which are drawn must not depend on this look
        return False
