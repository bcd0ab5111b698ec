"""Batches of crops for steps start ... stop - 1 of one process."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from audiocodec.data.crops import Crops, CropsConfig
from audiocodec.data.data_dir import Utterance


class _Batches(Dataset[tuple[Tensor, list[str]]]):
    def __init__(self, crops: Crops, batch_size: int, start: int, stop: int, rank: int) -> None:
        self.crops, self.batch_size, self.start, self.stop, self.rank = (
            crops,
            batch_size,
            start,
            stop,
            rank,
        )

    def __len__(self) -> int:
        return self.stop - self.start

    def __getitem__(self, item: int) -> tuple[Tensor, list[str]]:
        first = self.rank * self.batch_size
        rows = [self.crops(self.start + item, first + row) for row in range(self.batch_size)]
        batch = torch.from_numpy(np.stack([crop.waveform for crop in rows])).unsqueeze(1)
        return batch, [crop.utterance_id for crop in rows]


class CropLoader:
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
    ) -> None:
        crops = Crops(utterances, config, sample_rate, seed)
        self._loader = DataLoader(
            _Batches(crops, batch_size, start, stop, rank), batch_size=None, num_workers=workers
        )

    def __iter__(self) -> Iterator[tuple[Tensor, list[str]]]:
        return iter(self._loader)
