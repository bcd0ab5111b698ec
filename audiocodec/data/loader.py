"""Batches of crops for one process of a run."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from audiocodec.data.crops import Crops, CropsConfig, CropWarning
from audiocodec.data.data_dir import Utterance
from audiocodec.data.readers import Readers

log = logging.getLogger(__name__)

Reported = set[tuple[str, str]]  # utterance ids and faults


class Batch(NamedTuple):
    """waveform: (batch, 1, time); bandwidth: (batch,) in Hz of rows that hold no more, None if all
    go up to half of the sample rate.
    """

    waveform: Tensor
    utterance_ids: list[str]
    bandwidth: Tensor | None = None


class _Rows(NamedTuple):
    """A batch as it travels between processes: arrays, which need no shared memory."""

    waveform: np.ndarray  # (batch, time)
    bandwidth: np.ndarray  # (batch,)
    utterance_ids: list[str]
    warnings: list[CropWarning]


class _Batches:
    """The rows of one process: batch `item` is that of step start + item."""

    def __init__(self, crops: Crops, batch_size: int, start: int, rank: int) -> None:
        self.crops, self.batch_size, self.start, self.rank = crops, batch_size, start, rank

    def __call__(self, item: int) -> _Rows:
        first = self.rank * self.batch_size
        rows = [self.crops(self.start + item, first + row) for row in range(self.batch_size)]
        return _Rows(
            np.stack([crop.waveform for crop in rows]),
            np.array([crop.bandwidth for crop in rows], dtype=np.float32),
            [crop.utterance_id for crop in rows],
            [warning for crop in rows for warning in crop.warnings],
        )


class CropLoader:
    """Iterates over the batches of steps start ... stop - 1.

    Process `rank` has rows rank * batch_size ... (rank + 1) * batch_size - 1 of the global batch:
    two processes of batch B see what one of batch 2 B sees. `workers` processes read ahead, 0 reads
    in this one; the batches are the same. Bad files are named in the log when they are met, each
    fault once, whichever reader meets it; those in `reported` have been. While `stopping` is
    true, no wait for readers lasts long (`readers.StoppedWaiting`).
    """

    def __init__(
        self,
        utterances: Sequence[Utterance],
        config: CropsConfig,
        *,
        sample_rate: int,
        batch_size: int,
        seed: int,
        start: int,
        stop: int,
        rank: int = 0,
        workers: int = 0,
        reported: Reported | None = None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._reported: Reported = set() if reported is None else reported
        crops = Crops(utterances, config, sample_rate, seed)
        self._sample_rate = sample_rate
        batches, count = _Batches(crops, batch_size, start, rank), stop - start
        self._rows: Iterable[_Rows] = (
            Readers(batches, count, workers, stopping) if workers else map(batches, range(count))
        )

    def __iter__(self) -> Iterator[Batch]:
        for rows in self._rows:
            for warning in rows.warnings:
                self._report(warning)
            waveform = torch.from_numpy(rows.waveform).unsqueeze(1)
            bandwidth = torch.from_numpy(rows.bandwidth)
            limited = bool((bandwidth < self._sample_rate / 2).any())
            yield Batch(waveform, rows.utterance_ids, bandwidth if limited else None)

    def _report(self, warning: CropWarning) -> None:
        if warning[:2] not in self._reported:
            self._reported.add(warning[:2])
            log.warning("%s %s", warning.utterance_id, warning.text)
