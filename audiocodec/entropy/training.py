"""Entropy tables from codes: a small network that predicts each code, trained, then in integers."""

import copy
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from audiocodec.entropy.model import (
    ACTIVATION,
    FRAMES_BACK,
    MAX_CODEBOOK_SIZE,
    STEPS_PER_OCTAVE,
    EntropyTables,
    Layer,
    StageTables,
)
from audiocodec.errors import CodeFileError

MAX_DIM = 64  # of the vectors: more principal directions of a latent than that add little
_HIDDEN, _STAGE_HIDDEN = 256, 64  # units that all stages share, and those of each
_BATCH = 1024  # frames
MOST_FRAMES = 4_000_000  # as many as training gets to see
_EPOCHS, _FEWEST_STEPS, _MOST_STEPS = 3, 150, MOST_FRAMES // _BATCH
_LEARNING_RATE, _WEIGHT_DECAY, _WARM_UP = 6e-3, 0.01, 50
_HELD_OUT = 16  # every 16th stretch says when to stop
_STRETCH = 512  # frames
_MOST_HELD_OUT = 1 << 14  # frames
_LOOKS = 8  # at what is held out
_MAX_ACTIVATION = 16.0
_MAX_DIRECTION = 16.0  # in nats a unit of a vector's length


def fit_tables(
    sequences: Sequence[np.ndarray], vectors: Sequence[np.ndarray], seed: int = 0
) -> EntropyTables:
    """Tables for codes like `sequences`.

    Args:
        sequences: each (num_quantizers, frames).
        vectors: for each stage (codebook size, dim) what its codes add to the latent. Codes are
            predicted from the vectors of codes before them, and start out knowing which are alike.
        seed: of the order of training.

    Raises:
        CodeFileError: no codes, or codebooks too large for tables.
    """
    largest = max(len(part) for part in vectors)
    if not sequences or largest > MAX_CODEBOOK_SIZE:
        raise CodeFileError(
            f"entropy tables need codes of codebooks of at most {MAX_CODEBOOK_SIZE} codes; found "
            f"{len(sequences)} of {largest}"
        )
    corpus = _Corpus(sequences, len(vectors))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _Network(_principal(vectors), corpus.counts([len(part) for part in vectors]))
        _train(network, corpus)
    return _in_integers(network)


class _Corpus:
    """All frames one after the other, each sequence with nothing before it."""

    def __init__(self, sequences: Sequence[np.ndarray], stages: int) -> None:
        nothing = np.full((stages, FRAMES_BACK), -1)
        parts = [part for sequence in sequences for part in (nothing, sequence.astype(np.int64))]
        self.codes = torch.from_numpy(np.concatenate(parts, axis=1))
        frames = (self.codes[0] >= 0).nonzero().squeeze(1)
        held = torch.arange(len(frames)) // _STRETCH % _HELD_OUT == _HELD_OUT // 2
        if not held.any():
            held[-max(1, len(frames) // _HELD_OUT) :] = True
        every = -(-int(held.sum()) // _MOST_HELD_OUT)
        self.frames, self.held_out = frames[~held], frames[held][::every]
        if not len(self.frames):
            self.frames = self.held_out

    def counts(self, sizes: Sequence[int]) -> list[Tensor]:
        """How often each stage has each code."""
        rows = self.codes[:, self.frames]
        return [torch.bincount(row, minlength=size) for row, size in zip(rows, sizes, strict=True)]

    def batches(self, steps: int) -> list[Tensor]:
        """Frames for each step: every one once before any comes again."""
        size = min(_BATCH, len(self.frames))
        needed = -(-steps * size // len(self.frames))
        order = torch.cat([torch.randperm(len(self.frames)) for _ in range(needed)])
        return list(self.frames[order][: steps * size].split(size))


class _Network(nn.Module):
    """What `EntropyTables` computes, in floats."""

    def __init__(self, vectors: Sequence[Tensor], counts: Sequence[Tensor]) -> None:
        super().__init__()
        dim = vectors[0].shape[1]
        # The last row is that of no code.
        self.vectors = nn.ParameterList(F.pad(part, (0, 0, 0, 1)) for part in vectors)
        self.shared = nn.Linear(FRAMES_BACK * dim, _HIDDEN)
        self.inner = nn.ModuleList(nn.Linear(_HIDDEN + dim, _STAGE_HIDDEN) for _ in vectors)
        self.outer = nn.ModuleList(nn.Linear(_STAGE_HIDDEN, dim) for _ in vectors)
        self.biases = nn.ParameterList(((part + 0.5) / (part + 0.5).sum()).log() for part in counts)

    def vector(self, stage: int, codes: Tensor) -> Tensor:
        """(..., dim) of codes, where -1 stands for no code."""
        table = self.vectors[stage]
        size = len(table) - 1
        row = torch.where(codes < 0, size, codes)
        return F.embedding(row, table, padding_idx=size)

    def forward(self, codes: Tensor, frames: Tensor, counts: Tensor) -> Tensor:
        """Nats a frame of `frames` of `codes` (stages, time), as the first `counts` of its stages.

        `counts` is one number for all or one for each frame.
        """
        back = frames[:, None] - torch.arange(1, FRAMES_BACK + 1)
        used = torch.arange(len(codes))[:, None] < counts.expand(len(frames))  # (stages, frames)
        vectors = [self.vector(stage, row[back]) for stage, row in enumerate(codes)]
        past = torch.einsum("snbd,sn->nbd", torch.stack(vectors), used.float())
        hidden = _clipped(self.shared(past.flatten(1)))
        partial = torch.zeros_like(past[:, 0])
        nats = torch.zeros(len(frames))
        for stage, wanted in enumerate(codes[:, frames]):
            inner = _clipped(self.inner[stage](torch.cat([hidden, partial], dim=1)))
            direction = self.outer[stage](inner).clamp(-_MAX_DIRECTION, _MAX_DIRECTION)
            logits = F.linear(direction, self.vectors[stage][:-1], self.biases[stage])
            nats = nats + used[stage] * F.cross_entropy(logits, wanted, reduction="none")
            partial = partial + self.vector(stage, wanted)
        return nats


def _clipped(x: Tensor) -> Tensor:
    return x.clamp(0, _MAX_ACTIVATION)


def _principal(vectors: Sequence[np.ndarray]) -> list[Tensor]:
    """The vectors (codebook size, MAX_DIM at most), if need be in their principal directions."""
    tensors = [torch.as_tensor(part, dtype=torch.float32) for part in vectors]
    if tensors[0].shape[1] > MAX_DIM:
        every = torch.cat(tensors)
        directions = torch.linalg.svd(every - every.mean(0), full_matrices=False).Vh[:MAX_DIM]
        tensors = [part @ directions.T for part in tensors]
    return tensors


def _train(network: _Network, corpus: _Corpus) -> None:
    """Leave the weights that predict best what is held out."""
    steps = _EPOCHS * len(corpus.frames) // _BATCH
    steps = min(max(steps, _FEWEST_STEPS), _MOST_STEPS)
    optimizer = torch.optim.AdamW(
        network.parameters(), _LEARNING_RATE, betas=(0.9, 0.98), weight_decay=_WEIGHT_DECAY
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min(1, step / _WARM_UP) * (0.51 + 0.49 * math.cos(math.pi * step / steps)),
    )
    best, weights = math.inf, copy.deepcopy(network.state_dict())
    look_every = -(-steps // _LOOKS)
    stages = len(corpus.codes)
    batches = tqdm(corpus.batches(steps), desc="fit", unit="step", leave=False, disable=None)
    for step, frames in enumerate(batches, 1):
        # Half of the frames as files of fewer stages would have them, the other half whole.
        counts = torch.randint(1 - stages, stages + 1, (len(frames),))
        counts = torch.where(counts <= 0, stages, counts)
        loss = network(corpus.codes, frames, counts).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % look_every == 0 or step == steps:
            cost = _held_out(network, corpus)
            if cost < best:
                best, weights = cost, copy.deepcopy(network.state_dict())
    network.load_state_dict(weights)


@torch.no_grad()
def _held_out(network: _Network, corpus: _Corpus) -> float:
    """Nats of all stages of all that is held out."""
    every = torch.tensor(len(corpus.codes))
    parts = corpus.held_out.split(_BATCH)
    return sum(float(network(corpus.codes, part, every).sum()) for part in parts)


def _in_integers(network: _Network) -> EntropyTables:
    """Weights in 8 bits, activations in 12."""
    vectors = [part.detach()[:-1].double().numpy() for part in network.vectors]
    longest = max(float(np.abs(part).max()) for part in vectors)
    scale = 127 / max(longest, 1e-6)  # of vectors and their sums
    octaves = STEPS_PER_OCTAVE / math.log(2)  # steps a nat
    # Directions get the scale at which a shift of their products with vectors gives steps.
    shift = max(0, math.floor(math.log2(ACTIVATION / _MAX_DIRECTION * scale / octaves)))
    direction = octaves * 2**shift / scale
    unit = ACTIVATION / _MAX_ACTIVATION
    width = network.shared.out_features
    stages = []
    for stage, table in enumerate(vectors):
        inner, outer, bias = network.inner[stage], network.outer[stage], network.biases[stage]
        inputs = np.repeat([unit, scale], [width, table.shape[1]])
        stages.append(
            StageTables(
                vectors=np.rint(table * scale).astype(np.int8),
                inner=_layer(inner, inputs, unit),
                outer=_layer(outer, np.full(_STAGE_HIDDEN, unit), direction),
                bias=np.rint(bias.detach().double().numpy() * octaves * 2**shift).astype(np.int32),
                shift=np.uint8(shift),
            )
        )
    shared = _layer(network.shared, np.full(network.shared.in_features, scale), unit)
    return EntropyTables(shared, tuple(stages))


def _layer(layer: Any, inputs: np.ndarray, output: float) -> Layer:
    """A linear layer whose inputs and outputs are integers of these units to one."""
    weight = layer.weight.detach().double().numpy() / inputs * output
    bias = layer.bias.detach().double().numpy() * output
    largest = np.maximum(np.abs(weight).max(1), 2.0**-20)
    shift = np.clip(np.floor(np.log2(127 / largest)), 0, 12)
    factor = 2**shift
    return Layer(
        weight=np.clip(np.rint(weight * factor[:, None]), -127, 127).astype(np.int8),
        bias=np.rint((bias + 0.5) * factor).astype(np.int32),  # shifts round down
        shift=shift.astype(np.uint8),
    )
