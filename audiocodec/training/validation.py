"""Validation on fixed whole utterances; the best model so far is kept in `EXP/model`."""

import logging
import statistics
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from audiocodec.audio import read_waveform
from audiocodec.data.data_dir import Utterance
from audiocodec.evaluation.scoring import score_signals
from audiocodec.losses.spectral import MultiResolutionMel
from audiocodec.models.bundle import save_codec
from audiocodec.models.codec import Codec
from audiocodec.quantization.usage import UsageCounter
from audiocodec.training.config import TrainConfig

log = logging.getLogger(__name__)

MAX_SECONDS = 10  # of each utterance: PESQ takes longer the longer the signal


class Validator:
    """Scores a codec on the first utterances of the validation set."""

    def __init__(
        self, utterances: Sequence[Utterance], config: TrainConfig, experiment: Path
    ) -> None:
        self.utterances = list(utterances)[: config.validation_utterances]
        self.rate = config.codec.sample_rate
        self.mel = MultiResolutionMel(config.losses.mel_settings, self.rate)
        self.experiment = experiment
        self.best: float | None = None

    def run(self, codec: Codec, step: int) -> dict[str, float]:
        """Mean scores at all stages; writes `EXP/model` if PESQ / 4.5 + STOI is the best so far."""
        scores: dict[str, list[float]] = {"mel": [], "pesq": [], "stoi": []}
        usage = UsageCounter(codec.codebook_sizes)
        for utterance in self.utterances:
            waveform = read_waveform(utterance.path, self.rate, num_samples=None)[0]
            waveform = waveform[: MAX_SECONDS * self.rate]
            codes = codec.encode(waveform)
            usage.update(codes.unsqueeze(0))
            output = codec.decode(codes, num_samples=len(waveform)).cpu().numpy()
            self._score(waveform, output, scores)
        means = {name: statistics.fmean(values) for name, values in scores.items() if values}
        means |= usage.summary_scalars()
        self._keep_best(codec, means, step)
        return means

    def _score(
        self, reference: np.ndarray, degraded: np.ndarray, scores: dict[str, list[float]]
    ) -> None:
        pair = [torch.from_numpy(x).view(1, 1, -1) for x in (reference, degraded)]
        with torch.no_grad():
            scores["mel"].append(float(self.mel.cpu()(*pair)))
        found, reasons = score_signals(reference, degraded, self.rate, ("pesq_wb", "stoi"))
        for name, reason in reasons.items():
            log.debug("%s of a validation utterance: %s", name, reason)
        for name, value in found.items():
            scores[name.removesuffix("_wb")].append(value)

    def _keep_best(self, codec: Codec, means: dict[str, float], step: int) -> None:
        if "pesq" in means and "stoi" in means:
            quality = means["pesq"] / 4.5 + means["stoi"]
        else:  # no utterance long enough to score: the mel distance decides
            quality = -means["mel"]
        if self.best is None or quality > self.best:
            self.best = quality
            save_codec(codec, self.experiment / "model")
            log.info("step %d: best model so far, saved", step)
