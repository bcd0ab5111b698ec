"""`codec stream encode` and `stream decode` through pipes."""

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from audiocodec.cli.main import main
from audiocodec.containers.pcm import pcm_bytes, read_pcm
from audiocodec.errors import AudioError
from audiocodec.models.bundle import load_codec, save_codec
from tests.conftest import build_codec

Pipe = Callable[..., tuple[int, bytes]]


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch, tiny_model_dir: Path) -> Pipe:
    """Run a command in this process with bytes as stdin; exit code and stdout."""

    def run(command: str, data: bytes, *options: str, model: Path = tiny_model_dir) -> tuple:
        output = SimpleNamespace(buffer=io.BytesIO(), isatty=lambda: False)
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))
        monkeypatch.setattr(sys, "stdout", output)
        code = main([*command.split(), "--model", str(model), *options])
        return code, output.buffer.getvalue()

    return run


def noise(num_samples: int) -> np.ndarray:
    return (0.1 * np.random.default_rng(0).standard_normal(num_samples)).astype(np.float32)


@pytest.mark.parametrize("beams", [1, 4])
@pytest.mark.parametrize("num_samples", [1, 319, 320, 321, 24_001])
def test_samples_through_the_pipe_are_those_of_the_whole(
    pipe: Pipe, tiny_model_dir: Path, num_samples: int, beams: int
) -> None:
    samples = pcm_bytes(waveform := noise(num_samples), "f32le")
    options = ("--sample-format", "f32le", "--beams", str(beams))
    code, codes = pipe("stream encode", samples, *options)
    assert code == 0
    code, heard = pipe("stream decode", codes, "--sample-format", "f32le")
    assert code == 0
    expected = load_codec(tiny_model_dir, beams=beams).reconstruct(torch.from_numpy(waveform))
    np.testing.assert_allclose(np.frombuffer(heard, "<f4"), expected.numpy(), rtol=0, atol=1e-5)


def test_sixteen_bit_samples_and_fewer_stages(pipe: Pipe, tiny_model_dir: Path) -> None:
    waveform = np.round(noise(5_000) * 32_768) / 32_768
    code, codes = pipe("stream encode", pcm_bytes(waveform, "s16le"), "--num-quantizers", "1")
    assert code == 0
    code, heard = pipe("stream decode", codes)
    assert code == 0
    codec = load_codec(tiny_model_dir)
    expected = codec.reconstruct(torch.from_numpy(waveform.astype(np.float32)), num_quantizers=1)
    samples = np.frombuffer(heard, "<i2") / 32_768
    np.testing.assert_allclose(samples, expected.numpy(), rtol=0, atol=0.51 / 32_768)


def test_sixteen_bit_samples_survive_and_clip() -> None:
    samples = np.arange(-32_768, 32_768, dtype="<i2")
    pieces = list(read_pcm(io.BytesIO(samples.tobytes()), "s16le"))
    assert pcm_bytes(np.concatenate(pieces), "s16le") == samples.tobytes()
    assert np.frombuffer(pcm_bytes(np.array([2.0, -2.0]), "s16le"), "<i2").tolist() == [
        32_767,
        -32_768,
    ]


class OddPieces(io.BytesIO):
    """A pipe that gives 7 bytes at a time."""

    def read1(self, size: int | None = -1, /) -> bytes:
        return self.read(7)


def test_pieces_may_end_within_a_sample() -> None:
    data = noise(1_000).tobytes()
    pieces = list(read_pcm(OddPieces(data), "f32le"))
    assert np.concatenate(pieces).tobytes() == data
    with pytest.raises(AudioError, match="within a sample of f32le, after 249 samples"):
        list(read_pcm(OddPieces(data[:999]), "f32le"))


def test_what_comes_before_damage_is_heard(
    pipe: Pipe, capsys: pytest.CaptureFixture[str], tiny_model_dir: Path
) -> None:
    _, codes = pipe("stream encode", pcm_bytes(noise(64_000), "s16le"))
    code, heard = pipe("stream decode", codes[:-30])
    assert code == 1
    assert "before its end mark" in capsys.readouterr().err
    _, whole = pipe("stream decode", codes)
    assert len(heard) > 0 and whole.startswith(heard[: -2 * 320])


def test_nothing_in_is_an_error(pipe: Pipe, capsys: pytest.CaptureFixture[str]) -> None:
    assert pipe("stream encode", b"")[0] == 1
    assert "no samples" in capsys.readouterr().err
    assert pipe("stream decode", b"")[0] == 1
    assert "not a stream of codes" in capsys.readouterr().err


def test_codes_of_another_model_are_refused(
    pipe: Pipe, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    save_codec(build_codec(seed=1), tmp_path / "other")
    _, codes = pipe("stream encode", pcm_bytes(noise(1_000), "s16le"))
    code, heard = pipe("stream decode", codes, model=tmp_path / "other")
    assert (code, heard) == (1, b"")
    assert "made by model 'tiny'" in capsys.readouterr().err


def test_a_terminal_gets_no_bytes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(isatty=lambda: True))
    for command in ("stream encode", "stream decode"):
        assert main(command.split()) == 2
        assert "pipe" in capsys.readouterr().err or command == "stream decode"


def test_samples_leave_while_others_still_come(tiny_model_dir: Path) -> None:
    command = [sys.executable, "-m", "audiocodec", "stream", "{}", "--model", str(tiny_model_dir)]
    encoder, decoder = ([word.format(way) for word in command] for way in ("encode", "decode"))
    with (
        subprocess.Popen(encoder, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first,
        subprocess.Popen(decoder, stdin=first.stdout, stdout=subprocess.PIPE) as second,
    ):
        assert first.stdin and first.stdout and second.stdout
        first.stdout.close()
        for _ in range(3):
            first.stdin.write(pcm_bytes(noise(640), "s16le"))  # the latency: two frames
            first.stdin.flush()
            assert len(second.stdout.read(2 * 320)) == 2 * 320
        first.stdin.close()
        assert len(second.stdout.read()) == 2 * (3 * 640 - 3 * 320)
    assert (first.returncode, second.returncode) == (0, 0)
