"""What every row of the tables of encoders, decoders and heads promises.

A new row is tested at its default sizes until `SMALL` gives it smaller ones. Everything runs in
float64, so that equal means equal to rounding at 1e-16.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from audiocodec.modules import DECODERS, ENCODERS
from audiocodec.modules.heads import HEADS
from audiocodec.modules.streaming import StreamState
from audiocodec.registry import Registry

LATENT_DIM, FRAMES, BATCH = 5, 12, 3
SEANET = {"n_filters": 4, "ratios": (2, 4), "residual_units": 2, "lstm_layers": 2}
SMALL: dict[tuple[str, str], dict[str, Any]] = {
    ("encoder", "convnext"): {"strides": (4, 2), "channels": (6, 8), "blocks": (1, 2)},
    ("encoder", "seanet"): SEANET,
    ("encoder", "simvq_paper"): SEANET,
    ("decoder", "simvq_paper"): {"channels": 8, "groups": 4, "blocks": 2, "n_fft": 32},
    ("decoder", "convnext"): {"channels": 8, "blocks": 2, "lookahead": 1},
    ("decoder", "seanet"): SEANET,
    ("head", "harmonic"): {"direct": 4, "source": 3, "start": 2, "knots": 3, "bands": 2},
    ("head", "istft"): {"n_fft": 32, "delay": 2},
}


class Part(NamedTuple):
    """A module, how many time steps of its input and output make a frame, a way to rebuild it."""

    module: Any
    channels: int
    steps_in: int
    steps_out: int
    time_axis_in: int
    rebuild: Callable[[], nn.Module]

    def signal(self, batch: int = BATCH, frames: int = FRAMES) -> Tensor:
        steps = frames * self.steps_in
        shape = (batch, self.channels, steps) if self.time_axis_in == 2 else (batch, steps, 4)
        return torch.randn(shape, dtype=torch.float64)

    def pieces(self, x: Tensor, frames: list[int]) -> list[Tensor]:
        return list(x.split([count * self.steps_in for count in frames], self.time_axis_in))


def build(table: Registry, kind: str) -> Part:
    config_class = table[kind][0]
    options = SMALL.get((table.role, kind), {})
    if table.role == "decoder" and kind == "convnext":
        options = options | {"head": HEADS["istft"][0](n_fft=32)}
    config = config_class(**options)
    hop = getattr(config, "hop_length", 8)
    sizes = {"encoder": (LATENT_DIM,), "decoder": (LATENT_DIM, hop), "head": (4, hop)}[table.role]

    def rebuild() -> nn.Module:
        module: nn.Module = table.build(config, *sizes)
        return module.double().eval()

    torch.manual_seed(0)
    module = rebuild()
    if table.role == "encoder":
        return Part(module, 1, hop, 1, 2, rebuild)
    return Part(module, LATENT_DIM, 1, hop, 2 if table.role == "decoder" else 1, rebuild)


ROWS = [(table, kind) for table in (ENCODERS, DECODERS, HEADS) for kind in table]


@pytest.fixture(params=ROWS, ids=lambda row: f"{row[0].role}-{row[1]}")
def part(request: pytest.FixtureRequest) -> Part:
    return build(*request.param)


@pytest.fixture
def causal_part(part: Part) -> Part:
    if not getattr(part.module, "causal", True):
        pytest.skip("needs the whole signal at once, and says so")
    return part


def test_time_is_scaled_by_whole_frames(part: Part) -> None:
    output = part.module(part.signal())
    assert output.shape[0] == BATCH
    assert output.shape[-1] == FRAMES * part.steps_out
    assert torch.isfinite(output).all()


def test_every_weight_gets_a_gradient(part: Part) -> None:
    output = part.module(part.signal())
    (output * torch.randn_like(output)).sum().backward()
    for name, weight in part.module.named_parameters():
        assert weight.grad is not None, name
        assert torch.isfinite(weight.grad).all() and weight.grad.any(), name


def test_a_row_does_not_see_its_batch(part: Part) -> None:
    x = part.signal()
    together = part.module(x)
    alone = torch.cat([part.module(row) for row in x.split(1)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-12)


def test_weights_are_all_there_is_to_save(part: Part) -> None:
    other = part.rebuild()
    other.load_state_dict(part.module.state_dict())
    x = part.signal()
    assert torch.equal(part.module(x), other(x))


@pytest.mark.parametrize("frames", [[1] * FRAMES, [5, 1, 6], [11, 1]])
def test_pieces_of_a_stream_are_the_whole(causal_part: Part, frames: list[int]) -> None:
    x = causal_part.signal()
    state = StreamState()
    pieces = [causal_part.module(piece, state) for piece in causal_part.pieces(x, frames)]
    whole = causal_part.module(x)
    torch.testing.assert_close(torch.cat(pieces, -1), whole, rtol=0, atol=1e-12)


def test_streams_of_different_age_run_as_one_batch(causal_part: Part) -> None:
    past, now = causal_part.signal(batch=2), causal_part.signal(batch=3)
    old = [StreamState(), StreamState()]
    for row, state in zip(past.split(1), old, strict=True):
        causal_part.module(row, state)
    state = StreamState.join([old[0], StreamState(), old[1]])
    halves = now.chunk(2, causal_part.time_axis_in)
    together = causal_part.module(halves[0], state)
    alone = [
        causal_part.module(row, state)
        for row, state in zip(halves[1].split(1), state.split(3), strict=True)
    ]
    output = torch.cat([together, torch.cat(alone)], -1)
    for row, before in enumerate([past[:1], None, past[1:]]):
        signal = [now[row : row + 1]] if before is None else [before, now[row : row + 1]]
        whole = causal_part.module(torch.cat(signal, causal_part.time_axis_in))
        expected = whole[..., whole.shape[-1] - output.shape[-1] :]
        torch.testing.assert_close(output[row : row + 1], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("position", [0.0, 0.4, 0.99])
def test_an_impulse_reaches_its_own_frame_and_none_before(
    causal_part: Part, position: float
) -> None:
    x = causal_part.signal(batch=1)
    step = int(position * x.shape[causal_part.time_axis_in])
    struck = x.clone()
    struck.select(causal_part.time_axis_in, step).add_(1.0)
    change = causal_part.module(struck) - causal_part.module(x)
    by_frame = change.unflatten(-1, (FRAMES, -1)).abs().amax((0, -1))
    by_frame = by_frame.reshape(-1, FRAMES).amax(0)
    frame = step // causal_part.steps_in
    assert not by_frame[:frame].any()
    late = getattr(causal_part.module, "late", 0)  # frames that it waits before it acts
    assert by_frame[frame : frame + late + 1].any()
