"""No cache outlives the weights it was made from, however they were written."""

import copy

import pytest
import torch
from torch import Tensor

from audiocodec.config import from_dict
from audiocodec.models.codec import Codec
from audiocodec.models.config import CodecConfig
from audiocodec.quantization import QUANTIZERS
from audiocodec.quantization.cache import WeightCache

WRITES = {
    "in place": lambda weight: weight.mul_(-1),
    "through .data": lambda weight: weight.data.mul_(-1),
    "one number through .data": lambda weight: weight.data.view(-1)[-1].add_(1),
    "rows that change places": lambda weight: weight.data.copy_(weight.data.flip(0)),
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_every_write_is_seen(write: str, dtype: torch.dtype) -> None:
    weight = torch.arange(1.0, 13).reshape(4, 3).to(dtype)
    cache: WeightCache[Tensor] = WeightCache()
    first = cache.get([weight], weight.clone)
    assert cache.get([weight], weight.clone) is first
    WRITES[write](weight)
    assert torch.equal(cache.get([weight], weight.clone), weight)


@pytest.mark.parametrize("kind", QUANTIZERS)
def test_codes_are_those_of_the_weights_as_they_are(kind: str) -> None:
    torch.manual_seed(0)
    encoder = {"kind": "convnext", "strides": [40, 8], "channels": [8, 8], "blocks": [1, 1]}
    tree = {"latent_dim": 8, "encoder": encoder, "quantizer": {"kind": kind}}
    codec = Codec(from_dict(CodecConfig, tree)).eval().requires_grad_(False)
    waveform = torch.randn(640)
    codec.encode(waveform)
    weights = {n: w for n, w in codec.state_dict().items() if w.is_floating_point()}
    names = [name for name in weights if name.startswith("quantizer")][:4]
    for name in [next(iter(weights)), *names]:
        weight = weights[name]
        weight.data.copy_(weight.data + 0.3 * torch.randn_like(weight))
        fresh = copy.deepcopy(codec)
        assert torch.equal(codec.encode(waveform), fresh.encode(waveform)), name
