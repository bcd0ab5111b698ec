"""What a run trains: both networks, their optimizers and the average; and what they start from."""

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from audiocodec import config as configuration
from audiocodec.discriminators import DISCRIMINATORS
from audiocodec.discriminators.ensemble import DiscriminatorEnsemble
from audiocodec.errors import ConfigError
from audiocodec.models.codec import Codec
from audiocodec.models.config import CodecConfig
from audiocodec.training.checkpoint import Start
from audiocodec.training.config import TrainConfig
from audiocodec.training.ema import Ema
from audiocodec.training.optimization import build_optimizer
from audiocodec.training.provenance import tree_changes

log = logging.getLogger(__name__)

State = dict[str, Any]

# Part, the option that holds how its weights are kept as the user gave it and as a model has it.
KEPT_ALIKE = {
    ("encoder", True, False),
    ("quantizer", "frozen", "stored"),
}


class Networks:
    """The trained part of a run; `state_dict` and `load_state_dict` make it resumable."""

    def __init__(
        self, config: TrainConfig, name: str, device: torch.device, start: Start | None = None
    ) -> None:
        torch.manual_seed(config.seed)
        self.codec = Codec(config.codec, name=name)
        self.discriminators = DiscriminatorEnsemble(
            DISCRIMINATORS.build(options) for options in config.discriminators
        )
        if start is not None:
            _load_codec(self.codec, start)
            if start.discriminators is not None and not start.matching:
                self.discriminators.load_state_dict(dict(start.discriminators))
        self.codec.to(device)
        self.discriminators.to(device)
        self.ema = Ema(self.codec, config.ema_decay, config.ema_warmup)
        self.optimizers = {
            "codec": build_optimizer(self.codec, config.optimizer),
            "discriminators": build_optimizer(self.discriminators, config.discriminator_optimizer),
        }
        self._rates = {name: o.param_groups[0]["lr"] for name, o in self.optimizers.items()}

    def set_rate_factor(self, factor: float) -> None:
        """Learning rates: `factor` times those of the configuration."""
        for name, optimizer in self.optimizers.items():
            for group in optimizer.param_groups:
                group["lr"] = factor * self._rates[name]

    def compile(self) -> None:
        """Have torch compile encoder and decoder; names of weights stay as they are.

        The discriminators start with complex spectra, which the compiler cannot differentiate.
        """
        self.codec.encoder.compile()
        self.codec.decoder.compile()

    def state_dict(self) -> State:
        """What the two weight files of a checkpoint do not hold."""
        return {
            "codec": self.codec.state_dict(),
            "average_updates": self.ema.updates,
            "optimizers": {name: o.state_dict() for name, o in self.optimizers.items()},
        }

    def load_state_dict(
        self, state: State, average: Mapping[str, Tensor], discriminators: Mapping[str, Tensor]
    ) -> None:
        self.codec.load_state_dict(state["codec"])
        self.ema.average.load_state_dict(dict(average))
        self.ema.updates = state["average_updates"]
        self.discriminators.load_state_dict(dict(discriminators))
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])


def _load_codec(codec: Codec, start: Start) -> None:
    """The weights of `start`; of another configuration, those of equal names and shapes.

    Raises:
        ConfigError: none of them fits.
    """
    if not start.matching:
        codec.load_state_dict(dict(start.codec))
        return
    own = codec.state_dict()
    keeps_codes = start.has_quantizer(codec.config)
    fitting = {
        name: tensor
        for name, tensor in start.codec.items()
        if name in own
        and own[name].shape == tensor.shape
        and (keeps_codes or not name.startswith("quantizer."))
    }
    if not fitting:
        raise ConfigError(f"no weight of {start.folder} fits this configuration")
    codec.load_state_dict(fitting, strict=False)
    anew = sorted(own.keys() - fitting.keys())
    log.info("from %s but for %s", start.folder, ", ".join(anew) or "nothing")


def load_train_config(
    path: str | Path | None, assignments: Sequence[str], start: Start | None
) -> TrainConfig:
    """The configuration of a run from a file and `a.b=c` options, as `start` allows.

    Raises:
        ConfigError: a mistake in it, or not the codec or the discriminators of `start`.
    """
    if start is None:
        return configuration.load_config(TrainConfig, path, assignments)
    values = {} if path is None else configuration.read_yaml(path)
    explicit = configuration.merge(values, configuration.overrides(assignments))
    # Trained networks do not begin as an autoencoder, however few the steps.
    config = configuration.load_config(TrainConfig, path, [*assignments, "autoencoder_steps=0"])
    return start_config(config, start, explicit)


def start_config(config: TrainConfig, start: Start, explicit: Mapping[str, Any]) -> TrainConfig:
    """The configuration of a run that continues from trained networks.

    Codec, and discriminators where they come along, are those of `start`; trained discriminators
    judge, and the perceptual losses count, from the first step on. If `start` is only to be
    matched, codec and discriminators are the configured ones; a quantizer that is not that of
    `start` begins with the latents of its encoder.

    Args:
        explicit: the options that the user gave.

    Raises:
        ConfigError: the user gave another codec or other discriminators.
    """
    if start.matching:
        return config
    config = dataclasses.replace(config, perceptual_start=0)
    taken: dict[str, Any] = {"codec": start.codec_config}
    if start.discriminators is not None:
        taken["discriminators"] = start.discriminator_configs
        config = dataclasses.replace(config, adversarial_start=0)
    for name, value in taken.items():
        given = getattr(config, name)
        if name in explicit and given != value and not (name == "codec" and alike(given, value)):
            found = configuration.to_dict(dataclasses.replace(config, **{name: value}))[name]
            changes = tree_changes({name: found}, {name: configuration.to_dict(config)[name]})
            raise ConfigError(
                f"the configuration is not that of {start.folder} ({changes}); leave out {name!r}"
            )
    return dataclasses.replace(config, **taken)


def alike(given: CodecConfig, found: CodecConfig) -> bool:
    """Whether two configurations differ in how weights are kept alone.

    An imported model has no weight norm, which is folded into its weights, and stores its basis.
    """
    as_found = given
    for part, option in (("encoder", "weight_norm"), ("quantizer", "basis")):
        own, other = getattr(given, part), getattr(found, part)
        kept = hasattr(own, option) and hasattr(other, option)
        if kept and (part, getattr(own, option), getattr(other, option)) in KEPT_ALIKE:
            own = dataclasses.replace(own, **{option: getattr(other, option)})
            as_found = dataclasses.replace(as_found, **{part: own})
    return as_found == found
