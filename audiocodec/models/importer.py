"""Checkpoints of the published SimVQ codec (Lightning, github.com/youngsheen/SimVQ) as our models.

What is taken: for everything trained the exponential average, which its evaluation uses, and the
frozen basis. The average of parameter `a.b.c` is called `model_ema.abc`: names are mapped forwards
only. A checkpoint without any averages gives its trained weights. Weight norm is folded. Nothing
is executed: the file is read with `weights_only=True`.
"""

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from audiocodec.errors import ConfigError, ModelError, one_line
from audiocodec.models.codec import Codec
from audiocodec.models.config import CodecConfig
from audiocodec.modules.simvq_paper_decoder import SimvqPaperDecoderConfig
from audiocodec.modules.simvq_paper_encoder import SimvqPaperEncoderConfig
from audiocodec.quantization.simvq import SimVQConfig

AVERAGE = "model_ema."
BASIS = "quantize.embedding.weight"
WINDOW = "head.istft.window"
UNUSED = ("decoder.", "loss.")  # a decoder that is never run, and the discriminators
BOOKKEEPING = (AVERAGE + "decay", AVERAGE + "num_updates")

_PARTS = {
    "encoder.layers.": "encoder.model.",
    "quantizer.projection.": "quantize.embedding_proj.",
    "decoder.embed.": "backbone.embed.",
    "decoder.norm_in.": "backbone.norm.",
    "decoder.norm_out.": "backbone.final_layer_norm.",
    "decoder.blocks.": "backbone.convnext.",
    "decoder.mixer.layers.": "backbone.pos_net.",
    "decoder.head.project.": "head.out.",
}
_LAYERS = {
    "encoder.layers.": {
        ".inner.conv.": ".block.1.conv.conv.",
        ".outer.conv.": ".block.3.conv.conv.",
        ".shortcut.conv.": ".shortcut.conv.conv.",
        ".conv.": ".conv.conv.",
    },
    "decoder.blocks.": {
        ".depthwise.": ".dwconv.",
        ".expand.": ".pwconv1.",
        ".reduce.": ".pwconv2.",
        ".scale": ".gamma",
    },
    "decoder.mixer.layers.": {
        ".query.": ".q.",
        ".key.": ".k.",
        ".value.": ".v.",
        ".output.": ".proj_out.",
    },
}


@dataclass(frozen=True)
class Imported:
    """The model, and what became of the tensors of the checkpoint.

    used: name there -> name in the model. replaced: weights whose average was used instead.
    ignored: what the model does not have.
    """

    codec: Codec
    used: dict[str, str]
    replaced: tuple[str, ...]
    ignored: tuple[str, ...]


def import_checkpoint(path: str | Path, config: CodecConfig, name: str) -> Imported:
    """Our model of a published checkpoint; `config` is the reference architecture of its size.

    Raises:
        ModelError: not such a checkpoint, or as `import_state` says.
        ConfigError: a configuration of another architecture.
    """
    return import_state(_read(Path(path)), config, name, Path(path))


def import_state(
    state: Mapping[str, Tensor], config: CodecConfig, name: str, path: Path
) -> Imported:
    """The same from the tensors of a checkpoint; `path` is where they came from.

    Raises:
        ModelError: a tensor that is missing, unknown, of another shape or not finite.
        ConfigError: a configuration of another architecture.
    """
    codec = Codec(_importable(config), name)
    taking = _Taking(state, path)
    tensors = {target: taking.tensor(target, own) for target, own in codec.state_dict().items()}
    ignored = tuple(key for key in state if key not in taking.used | taking.replaced)
    _refuse_unknown(ignored, taking, codec.decoder.head.window)
    codec.load_state_dict(tensors)
    codec.eval().requires_grad_(False)
    return Imported(codec, taking.used, tuple(taking.replaced), ignored)


def _importable(config: CodecConfig) -> CodecConfig:
    wanted = (SimvqPaperEncoderConfig, SimVQConfig, SimvqPaperDecoderConfig)
    parts = (config.encoder, config.quantizer, config.decoder)
    for part, kind in zip(parts, wanted, strict=True):
        if type(part) is not kind:
            raise ConfigError(
                f"{type(part).__name__} is not of the published architecture; give one of "
                "egs/libritts/conf/simvq_paper_*.yaml"
            )
    return replace(
        config,
        encoder=replace(config.encoder, weight_norm=False),
        quantizer=replace(config.quantizer, basis="stored"),
    )


def _read(path: Path) -> dict[str, Tensor]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ModelError(f"{path}: no such checkpoint") from None
    except (OSError, RuntimeError, ValueError, EOFError, KeyError, pickle.UnpicklingError) as error:
        reason = one_line(error)[:200]
        raise ModelError(f"{path}: not a checkpoint that can be read safely: {reason}") from None
    state = content.get("state_dict") if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ModelError(f"{path}: no 'state_dict' of tensors in it; give a Lightning checkpoint")
    return dict(state)


def _source(target: str) -> str:
    """The published name of one of our tensors."""
    if target == "quantizer.basis":
        return BASIS
    ours = next(part for part in _PARTS if target.startswith(part))
    name = target.removeprefix(ours)
    for new, old in _LAYERS.get(ours, {}).items():
        if new in name:
            name = name.replace(new, old)
            break
    return _PARTS[ours] + name


def _average(source: str) -> str:
    return AVERAGE + source.replace(".", "")


class _Taking:
    """Tensors of a checkpoint in our shapes; remembers which it took."""

    def __init__(self, state: Mapping[str, Tensor], path: Path) -> None:
        self.state, self.path = state, path
        self.averaged = any(key.startswith(AVERAGE) for key in state)
        self.used: dict[str, str] = {}
        self.replaced: dict[str, str] = {}

    def tensor(self, target: str, own: Tensor) -> Tensor:
        """The value of our tensor `target`, of the shape of `own`."""
        source, shape = _source(target), own.shape
        if target.startswith("encoder.") and target.endswith(".conv.weight"):
            # Weight norm: a length g along each direction v.
            length = self._get(source + "_g", torch.Size([shape[0], 1, 1]), target)
            direction = self._get(source + "_v", shape, target)
            norm = torch.linalg.vector_norm(direction, dim=(1, 2), keepdim=True)
            value = length * direction / norm
        elif target.endswith(".depthwise.weight"):
            value = self._get(source, torch.Size([shape[1], 1, shape[0]]), target).squeeze(1).T
        else:
            value = self._get(source, shape, target)
        return value.to(own.dtype).contiguous()

    def _get(self, source: str, shape: torch.Size, target: str) -> Tensor:
        """The average of `source` in float64; itself if it is the frozen basis or has none."""
        if source == BASIS or not self.averaged:
            self.used[source] = target
            return self.checked(source, shape).double()
        self.checked(source, shape)
        self.replaced[source] = target
        self.used[_average(source)] = target
        return self.checked(_average(source), shape).double()

    def checked(self, key: str, shape: torch.Size) -> Tensor:
        """The tensor `key`.

        Raises:
            ModelError: missing, of another shape, or not finite.
        """
        if key not in self.state:
            raise ModelError(f"{self.path}: no tensor {key!r}")
        tensor = self.state[key]
        if tensor.shape != shape:
            raise ModelError(
                f"{self.path}: {key!r} is {tuple(tensor.shape)}, but the configuration wants "
                f"{tuple(shape)}"
            )
        if not torch.isfinite(tensor).all():
            raise ModelError(f"{self.path}: {key!r} has NaN or infinite values")
        return tensor


def _refuse_unknown(ignored: tuple[str, ...], taking: _Taking, window: Tensor) -> None:
    unused = {_average(key) for key in ignored if key.startswith(UNUSED)}
    for key in ignored:
        if key == WINDOW:
            if not torch.allclose(taking.checked(key, window.shape), window, atol=1e-4):
                raise ModelError(f"{taking.path}: {key!r} is not a Hann window")
        elif not (key.startswith(UNUSED) or key in unused or key in BOOKKEEPING):
            raise ModelError(
                f"{taking.path}: unknown tensor {key!r}; this is not the published architecture, "
                "or not the one of the configuration"
            )
