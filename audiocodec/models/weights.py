"""Model folders as PyTorch reads and writes them: configuration and weights. No pickle."""

import zlib
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from audiocodec import config as configuration
from audiocodec.errors import ConfigError, ModelError, one_line
from audiocodec.files import library_writes
from audiocodec.models.codec import Codec
from audiocodec.models.config import CodecConfig
from audiocodec.models.folders import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    model_name,
    own_root,
    require_own,
)
from audiocodec.models.sizes import at_most

BASIS_KEY, CHECKSUM_KEY = "basis_digest", "checksum"  # in the header of the weights file


def read_model(folder: Path, device: str) -> Codec:
    """The codec of a model folder in PyTorch, on a device.

    Raises:
        ModelError: the model is incomplete, damaged or contradicts itself, or there is no such
            device.
    """
    try:
        root = own_root(folder)
        config = configuration.load_config(CodecConfig, folder / CONFIG_FILE, within=root)
    except ConfigError as error:
        raise ModelError(f"model {str(folder)!r}: {error}") from None
    require_own(folder / WEIGHTS_FILE, root)
    try:
        with safe_open(folder / WEIGHTS_FILE, "pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        text = (folder / CONFIG_FILE).read_text(encoding="utf-8")
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{folder / WEIGHTS_FILE}: not readable as safetensors: {error}") from None
    if header.get(CHECKSUM_KEY) not in (None, _checksum(text, tensors)):
        raise ModelError(
            f"{folder}: {CONFIG_FILE} and {WEIGHTS_FILE} are not as they were saved together; "
            "one of them is damaged or was changed"
        )
    try:
        with at_most(sum(tensor.numel() for tensor in tensors.values())):
            codec = Codec(config, name=model_name(folder))
    except ModelError as error:
        raise ModelError(f"{folder}: weights do not fit {CONFIG_FILE}: {error}") from None
    codec.folder = folder
    basis = header.get(BASIS_KEY)
    if basis not in (None, codec.quantizer.basis_digest):
        raise ModelError(
            f"{folder}: its codebooks were made from basis {basis}, but {CONFIG_FILE} gives "
            f"{codec.quantizer.basis_digest}; its quantizer's seed or sizes were changed"
        )
    try:
        codec.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    except RuntimeError as error:
        reason = one_line(error)[:300]
        raise ModelError(f"{folder}: weights do not fit {CONFIG_FILE}: {reason}") from None
    try:
        return codec.to(device).eval().requires_grad_(False)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(
            f"device {device!r} cannot be used: {str(error).splitlines()[0]}"
        ) from None


def write_model(codec: Codec, folder: Path, dtype: torch.dtype = torch.float32) -> None:
    """Write the two files of a model into an existing folder."""
    text = configuration.dump_yaml(codec.config)
    (folder / CONFIG_FILE).write_text(text, encoding="utf-8")
    tensors = {
        name: tensor.detach().to("cpu", dtype).contiguous()
        for name, tensor in codec.state_dict().items()
    }
    # What a seed gives is not stored, but what it must give is.
    basis = codec.quantizer.basis_digest
    header = {CHECKSUM_KEY: _checksum(text, tensors)}
    header |= {} if basis is None else {BASIS_KEY: basis}
    with library_writes():
        save_file(tensors, folder / WEIGHTS_FILE, header)


def _checksum(config: str, tensors: dict[str, torch.Tensor]) -> str:
    """CRC-32 of the configuration and of all weights: damage must not pass as another model."""
    crc = zlib.crc32(config.encode())
    for name, tensor in sorted(tensors.items()):
        crc = zlib.crc32(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode(), crc)
        crc = zlib.crc32(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data, crc)
    return f"{crc:08x}"
