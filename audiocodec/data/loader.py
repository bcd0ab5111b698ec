"""Batches of crops for one process of a run."""

import logging
import signal
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from audiocodec.data.crops import Crops, CropsConfig, CropWarning
from audiocodec.data.data_dir import Utterance

log = logging.getLogger(__name__)

Reported = set[tuple[str, str]]  # utterance ids and faults


class Batch(NamedTuple):
    """waveform: (batch, 1, time); bandwidth: (batch,) in Hz of rows that hold no more, None if all
    go up to half of the sample rate.
    """

    waveform: Tensor
    utterance_ids: list[str]
    bandwidth: Tensor | None = None


class _Batches(Dataset[tuple[Batch, list[CropWarning]]]):
    def __init__(self, crops: Crops, batch_size: int, start: int, stop: int, rank: int) -> None:
        self.crops, self.batch_size, self.rank = crops, batch_size, rank
        self.start, self.stop = start, stop

    def __len__(self) -> int:
        return self.stop - self.start

    def __getitem__(self, item: int) -> tuple[Batch, list[CropWarning]]:
        first = self.rank * self.batch_size
        rows = [self.crops(self.start + item, first + row) for row in range(self.batch_size)]
        waveform = torch.from_numpy(np.stack([crop.waveform for crop in rows]))
        bandwidth = torch.tensor([crop.bandwidth for crop in rows])
        limited = bool((bandwidth < self.crops.sample_rate / 2).any())
        names = [crop.utterance_id for crop in rows]
        batch = Batch(waveform.unsqueeze(1), names, bandwidth if limited else None)
        return batch, [warning for crop in rows for warning in crop.warnings]


def _ignore_signals(_worker: int) -> None:
    # What stops a run often goes to all its processes, and it needs its readers until it has saved.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)


class CropLoader:
    """Iterates over the batches of steps start ... stop - 1.

    Process `rank` has rows rank * batch_size ... (rank + 1) * batch_size - 1 of the global batch:
    two processes of batch B see what one of batch 2 B sees. `workers` processes read ahead, 0 reads
    in this one; the batches are the same. Bad files are named in the log when they are met, each
    fault once, whichever reader meets it; those in `reported` have been.
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
    ) -> None:
        self._reported: Reported = set() if reported is None else reported
        crops = Crops(utterances, config, sample_rate, seed)
        batches = _Batches(crops, batch_size, start, stop, rank)
        self._loader = DataLoader(
            batches, batch_size=None, num_workers=workers, worker_init_fn=_ignore_signals
        )

    def __iter__(self) -> Iterator[Batch]:
        for batch, warnings in self._loader:
            for warning in warnings:
                self._report(warning)
            yield batch

    def _report(self, warning: CropWarning) -> None:
        if warning[:2] not in self._reported:
            self._reported.add(warning[:2])
            log.warning("%s %s", warning.utterance_id, warning.text)
