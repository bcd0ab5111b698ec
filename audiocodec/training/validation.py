"""Validation on fixed whole utterances: scores, usage, and a few sounds to listen to."""

import logging
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from audiocodec.audio import read_audio
from audiocodec.data.data_dir import Utterance
from audiocodec.errors import AudioError
from audiocodec.evaluation.metrics import select, with_installed
from audiocodec.evaluation.scoring import score_signals
from audiocodec.losses.spectral import MultiResolutionMel
from audiocodec.models.codec import Codec
from audiocodec.quantization.usage import UsageCounter
from audiocodec.training.config import Best, TrainConfig

log = logging.getLogger(__name__)

MAX_SECONDS = 10  # of each utterance: PESQ takes longer the longer the signal
SOUNDS = 3  # utterances that are kept to listen to
PESQ_BEST = 4.64
LINES_ALLOWED, LINES_PRICE = 1.0, 0.02  # dB, and what each dB more costs


@dataclass
class Score:
    """What one utterance says: scores, counts of codes and, for the first ones, the sounds."""

    index: int
    values: dict[str, float]
    counts: list[Tensor]
    sounds: dict[str, np.ndarray] = field(default_factory=dict)


class Validator:
    """Scores a codec on the first utterances of the validation set."""

    def __init__(self, utterances: Sequence[Utterance], config: TrainConfig) -> None:
        self.utterances = utterances[: config.validation_utterances]
        self.sample_rate = config.codec.sample_rate
        self.mel = MultiResolutionMel(config.losses.mel_settings, self.sample_rate)
        self.metrics, absent = select(config.validation_metrics, with_installed({}))
        if absent:
            log.warning("not validated by %s: no file for it is installed", ", ".join(absent))

    def score(self, codec: Codec, rank: int, processes: int) -> list[Score]:
        """Every `processes`-th utterance, from the `rank`-th on; unreadable ones are left out."""
        scores = []
        for index in range(rank, len(self.utterances), processes):
            try:
                scores.append(self._score(codec, index))
            except AudioError as error:
                log.warning("not validated on: %s", error)
        return scores

    def _score(self, codec: Codec, index: int) -> Score:
        rate, utterance = self.sample_rate, self.utterances[index]
        audio = read_audio(
            utterance.source, rate, start=utterance.start, num_samples=utterance.read_samples
        )
        reference = audio.waveform[0, : MAX_SECONDS * rate]
        codes = codec.encode(reference)
        degraded = codec.decode(codes, num_samples=len(reference)).cpu().numpy()
        usage = UsageCounter(codec.codebook_sizes)
        usage.update(codes.unsqueeze(0))
        with torch.no_grad():
            pair = [torch.from_numpy(x).view(1, 1, -1) for x in (reference, degraded)]
            values = {"mel": float(self.mel(*pair))}
        found, reasons = score_signals(reference, degraded, rate, self.metrics)
        for name, reason in reasons.items():
            log.debug("%s of %s: %s", name, self.utterances[index].id, reason)
        values |= {name.removesuffix("_wb"): value for name, value in found.items()}
        score = Score(index, values, usage.counts)
        if index < SOUNDS:
            score.sounds = {"reference": reference, "decoded": degraded}
        return score


def summarise(scores: Sequence[Score], codebook_sizes: Sequence[int]) -> dict[str, float]:
    """Means of the scores that are defined, and usage over all utterances together."""
    scores = sorted(scores, key=lambda score: score.index)  # sums do not depend on the processes
    names = dict.fromkeys(name for score in scores for name in score.values)
    means = {
        name: statistics.fmean(s.values[name] for s in scores if name in s.values) for name in names
    }
    usage = UsageCounter(codebook_sizes)
    for score in scores:
        for total, counts in zip(usage.counts, score.counts, strict=True):
            total += counts
    return means | usage.summary_scalars()


def quality(means: dict[str, float], best: Best) -> float | None:
    """What the best model has most of; None where the scores for it are missing.

    `sound` is PESQ / 4.64 + STOI + harmonic correlation - 0.02 for each dB over 1 by which steady
    lines stick out of noise: PESQ and STOI alone, which are `quality`, choose a buzz.
    """
    if best in ("sound", "quality") and "pesq" in means and "stoi" in means:
        if best == "quality":
            return means["pesq"] / 4.5 + means["stoi"]
        lines = LINES_PRICE * max(0.0, means.get("tonal_lines", 0.0) - LINES_ALLOWED)
        harmonics = means.get("harmonic_correlation", 0.0)
        return means["pesq"] / PESQ_BEST + means["stoi"] + harmonics - lines
    if best in ("pesq", "stoi") and best in means:
        return means[best]
    # Also where no utterance is long enough for the others: the mel distance decides.
    return -means["mel"] if "mel" in means else None
