"""Bounds on what a configuration may ask for, checked before memory is taken.

Configurations come with models of strangers. The bounds are far above any codec of use.
"""

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from audiocodec.errors import ConfigError, ModelError
from audiocodec.yaml_text import shown

_MOST = 1 << 16  # of any number that no rule below is for
_FEW = 256  # of what is made one by one: layers, blocks, stages; and of the items of a list
_MOST_RATE, _MOST_HOP = 1_000_000, 4096
_MOST_QUANTIZERS = 64  # as in code files
_CODEBOOK_NUMBERS = 1 << 27  # codebook_size * latent_dim
_COUNTS = ("blocks", "depth", "lstm_layers", "residual_units", "num_groups")


def check_sizes(config: Any, latent_dim: int, where: str) -> None:
    """Raises ConfigError if a number in the tree of `config` is larger than that of any codec."""
    for field in dataclasses.fields(config):
        value, name = getattr(config, field.name), f"{where}.{field.name}"
        if dataclasses.is_dataclass(value):
            check_sizes(value, latent_dim, name)
            continue
        numbers = value if isinstance(value, tuple) else (value,)
        most = _most(field.name, latent_dim)
        if len(numbers) > _FEW or any(isinstance(n, int) and abs(n) > most for n in numbers):
            raise ConfigError(
                f"{name} is {shown(value)}; no codec needs more than {most}"
                + (f", nor more than {_FEW} of them" if isinstance(value, tuple) else "")
            )


def _most(name: str, latent_dim: int) -> int:
    if name == "sample_rate":
        return _MOST_RATE
    if name == "seed":
        return (1 << 63) - 1
    if name == "codebook_size":
        return max(2, _CODEBOOK_NUMBERS // max(1, latent_dim))
    if name == "num_quantizers":
        return _MOST_QUANTIZERS
    return _FEW if name in _COUNTS else _MOST


def check_times(sample_rate: int, hop_length: int) -> None:
    """Raises ConfigError for a rate or a frame that no sound has."""
    if not 1 <= sample_rate <= _MOST_RATE:
        raise ConfigError(
            f"codec.sample_rate is {sample_rate}; give it in Hz, e.g. 24000, at most {_MOST_RATE}"
        )
    if hop_length > _MOST_HOP:
        raise ConfigError(
            f"the encoder's strides make frames of {hop_length} samples; {_MOST_HOP} at most"
        )


@contextlib.contextmanager
def at_most(numbers: int) -> Iterator[None]:
    """Let no network be built in the block that has far more weights than `numbers`.

    Twice as many may be registered, since a weight norm registers a weight again, as two. A weight
    is touched, and takes memory, only after that.

    Raises:
        ModelError: it would have more.
    """
    total = 0

    def count(_module: nn.Module, _name: str, weight: Tensor | None) -> None:
        nonlocal total
        total += 0 if weight is None else weight.numel()
        if total > 2 * numbers:
            raise ModelError(f"it describes more weights than the {numbers} that are there")

    handle = torch.nn.modules.module.register_module_parameter_registration_hook(count)
    try:
        yield
    except (RuntimeError, MemoryError, OverflowError) as error:  # torch cannot give so much
        raise ModelError(f"it cannot be built: {str(error)[:200]}") from None
    finally:
        handle.remove()
