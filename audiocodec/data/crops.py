"""Random crops that are a pure function of (seed, step, index)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from audiocodec.audio import read_waveform
from audiocodec.data.data_dir import Utterance

_TRIES = 8


@dataclass(frozen=True)
class CropsConfig:
    seconds: float = 1.0
    min_gain_db: float = -10.0
    max_gain_db: float = 6.0
    min_peak: float = 1e-3


class Crop(NamedTuple):
    waveform: np.ndarray
    utterance_id: str


class Crops:
    def __init__(
        self, utterances: Sequence[Utterance], config: CropsConfig, sample_rate: int, seed: int
    ) -> None:
        self.utterances, self.config = list(utterances), config
        self.sample_rate, self.seed = sample_rate, seed
        self.crop_samples = round(config.seconds * sample_rate)
        seconds = [u.num_samples / (u.sample_rate or sample_rate) for u in self.utterances]
        self.cumulative = np.cumsum(seconds)

    def __call__(self, step: int, index: int) -> Crop:
        key = np.array([self.seed, 0], dtype=np.uint64)
        counter = np.array([step, index, 0, 0], dtype=np.uint64)
        random = np.random.Generator(np.random.Philox(key=key, counter=counter))
        for _ in range(_TRIES):
            crop = self._draw(random)
            if np.abs(crop.waveform).max() > self.config.min_peak:
                break
        return crop

    def _draw(self, random: np.random.Generator) -> Crop:
        where = random.random() * self.cumulative[-1]
        utterance = self.utterances[int(np.searchsorted(self.cumulative, where, side="right"))]
        rate = utterance.sample_rate or self.sample_rate
        need = -(-self.crop_samples * rate // self.sample_rate)
        start = int(random.random() * max(utterance.num_samples - need + 1, 1))
        waveform = read_waveform(utterance.path, self.sample_rate, start=start, num_samples=need)[0]
        waveform = waveform[: self.crop_samples]
        gain = 10 ** (random.uniform(self.config.min_gain_db, self.config.max_gain_db) / 20)
        peak = np.abs(waveform).max()
        waveform = waveform * min(gain, 1.0 / max(peak, 1e-9))
        padded = np.zeros(self.crop_samples, dtype=np.float32)
        padded[: len(waveform)] = waveform
        return Crop(padded, utterance.id)
