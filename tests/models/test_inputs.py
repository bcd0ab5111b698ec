"""What people have at hand is taken, or refused in words; never as something else."""

import numpy as np
import pytest
import torch

from audiocodec.audio import write_waveform
from audiocodec.errors import AudioError, CodecError

NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, 2_000).astype(np.float32)
PCM = np.round(NOISE * 32_768).astype(np.int16)
EXACT = PCM / np.float32(32_768)

TAKEN = {
    "int16": PCM,
    "int32": PCM.astype(np.int32) << 16,
    "big-endian": PCM.astype(">i2"),
    "big-endian floats": EXACT.astype(">f4"),
    "a reversed view": EXACT[::-1].copy()[::-1],
    "every other sample": np.repeat(EXACT, 2)[::2],
    "read-only": np.frombuffer(EXACT.tobytes(), dtype=np.float32),
    "float64": EXACT.astype(np.float64),
    "a list": EXACT.tolist(),
    "torch int16": torch.from_numpy(PCM),
    "torch strided": torch.from_numpy(np.repeat(EXACT, 2))[::2],
    "with gradient": torch.from_numpy(EXACT).requires_grad_(),
    "(1, time)": EXACT[None],
    "(1, 1, time)": EXACT[None, None],
}
REFUSED = {
    "(time, channels)": np.stack([NOISE, NOISE], 1),
    "(time, 1)": NOISE[:, None],
    "(channels, time) of a torch batch of stereo": np.zeros((1, 2, 2_000), np.float32),
    "int64": PCM.astype(np.int64),
    "uint16": PCM.astype(np.uint16),
    "complex": NOISE.astype(np.complex64),
    "text": np.array(["a", "b"]),
    "objects": np.array([None, 1.0], dtype=object),
    "nothing": None,
    "ragged": [[1.0], [1.0, 2.0]],
    "bool": NOISE > 0,
    "a scalar": np.float32(1),
}


@pytest.mark.parametrize("name", TAKEN)
def test_samples_are_the_same_in_any_type_and_order(name, tiny_codec) -> None:
    codes = tiny_codec.encode(TAKEN[name])
    assert torch.equal(codes.reshape(-1), tiny_codec.encode(EXACT).reshape(-1))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_taken(dtype, tiny_codec) -> None:
    half = torch.from_numpy(EXACT).to(dtype)
    assert torch.equal(tiny_codec.encode(half), tiny_codec.encode(half.float()))


@pytest.mark.parametrize("name", REFUSED)
def test_what_could_mean_something_else_is_refused(name, tiny_codec) -> None:
    with pytest.raises(CodecError, match="waveform"):
        tiny_codec.encode(REFUSED[name])


@pytest.mark.parametrize("rate", [0, -1, 16_000.5, "16000", True, 10**9, float("nan")])
def test_a_rate_is_a_whole_number_of_hertz(rate, tiny_codec) -> None:
    with pytest.raises(CodecError, match="sample_rate"):
        tiny_codec.encode(NOISE, sample_rate=rate)


@pytest.mark.parametrize("rate", [np.int64(16_000), 16_000.0, np.float32(16_000)])
def test_a_rate_may_be_a_whole_number_of_any_type(rate, tiny_codec) -> None:
    codes = tiny_codec.encode(NOISE, sample_rate=rate)
    assert torch.equal(codes, tiny_codec.encode(NOISE, sample_rate=16_000))


def test_a_path_stands_for_its_sound(tiny_codec, tmp_path) -> None:
    path = tmp_path / "x.wav"
    write_waveform(path, EXACT, tiny_codec.sample_rate)
    codes = tiny_codec.encode(EXACT)
    assert torch.equal(tiny_codec.encode(path), codes)
    assert torch.equal(tiny_codec.encode(str(path)), codes)
    with pytest.raises(AudioError, match="its own rate"):
        tiny_codec.encode(path, sample_rate=8_000)
    with pytest.raises(AudioError, match="no such audio file"):
        tiny_codec.encode(tmp_path / "none.wav")


@pytest.mark.parametrize("codes", [np.zeros((1, 5)), np.array([["a"]]), None, [[0.5]]])
def test_codes_are_integers(codes, tiny_codec) -> None:
    with pytest.raises(CodecError, match="codes"):
        tiny_codec.decode(codes)
