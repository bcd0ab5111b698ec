from pathlib import Path

import numpy as np
import pytest

from audiocodec.audio import audio_info, read_waveform, resample, write_waveform
from audiocodec.errors import AudioError, CodecError


def tone(num_samples: int, rate: int, frequency: float = 440.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * frequency * np.arange(num_samples) / rate).astype(np.float32)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".opus", ".mp3"])
def test_every_format_is_written_and_read_at_its_length(suffix, tmp_path):
    path = tmp_path / f"tön {suffix}{suffix}"
    write_waveform(path, tone(24_000, 24_000), 24_000)
    info = audio_info(path)
    assert info.num_samples == info.sample_rate  # one second, also of Opus, which is at 48 kHz
    waveform = read_waveform(path, 24_000)
    assert waveform.dtype == np.float32 and waveform.shape[0] == 1
    middle = slice(6_000, 18_000)
    assert (
        np.corrcoef(
            np.abs(np.fft.rfft(waveform[0, middle])),
            np.abs(np.fft.rfft(tone(24_000, 24_000)[middle])),
        )[0, 1]
        > 0.99
    )


def test_channels_are_averaged_or_kept(tmp_path):
    stereo = np.stack([tone(800, 8_000), -0.5 * tone(800, 8_000)])
    write_waveform(tmp_path / "x.wav", stereo, 8_000, subtype="FLOAT")
    np.testing.assert_array_equal(read_waveform(tmp_path / "x.wav", channel="each"), stereo)
    np.testing.assert_allclose(read_waveform(tmp_path / "x.wav")[0], stereo.mean(0), atol=1e-7)


def test_a_part_is_that_part(tmp_path):
    waveform = tone(8_000, 8_000)
    write_waveform(tmp_path / "x.flac", waveform, 8_000)
    whole = read_waveform(tmp_path / "x.flac")
    part = read_waveform(tmp_path / "x.flac", start=1_234, num_samples=100)
    np.testing.assert_array_equal(part, whole[:, 1_234:1_334])
    assert read_waveform(tmp_path / "x.flac", start=7_990, num_samples=100).shape == (1, 10)


@pytest.mark.parametrize(
    "rates", [(8_000, 24_000), (44_100, 24_000), (24_000, 22_050), (96_000, 24_000)]
)
@pytest.mark.parametrize("num_samples", [1, 2, 319, 24_001])
def test_resampling_has_the_exact_length_and_keeps_a_tone(rates, num_samples):
    resampled = resample(tone(num_samples, rates[0]), *rates)
    assert resampled.shape == (-(-num_samples * rates[1] // rates[0]),)
    if num_samples == 24_001:
        inner = slice(2_000, len(resampled) - 2_000)
        np.testing.assert_allclose(
            resampled[inner], tone(len(resampled), rates[1])[inner], atol=1e-3
        )


def bad_files(folder: Path) -> dict[str, Path]:
    paths = {name: folder / f"{name}.wav" for name in ("empty", "text", "no samples", "nan", "inf")}
    paths["empty"].write_bytes(b"")
    paths["text"].write_text("Dear listener,\n" * 40)
    write_waveform(paths["no samples"], np.zeros(0, np.float32), 8_000)
    for name in ("nan", "inf"):
        waveform = tone(800, 8_000)
        waveform[77] = float(name)
        write_waveform(paths[name], waveform, 8_000, subtype="FLOAT")
    paths["missing"] = folder / "missing.wav"
    paths["truncated"] = folder / "truncated.flac"
    write_waveform(paths["truncated"], tone(80_000, 8_000), 8_000)
    whole = paths["truncated"].read_bytes()
    paths["truncated"].write_bytes(whole[: len(whole) // 2])
    return paths


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("empty", "not readable"),
        ("text", "not readable"),
        ("no samples", "no samples"),
        ("nan", "NaN or infinite sample at 77"),
        ("inf", "NaN or infinite sample at 77"),
        ("missing", "no such audio file"),
        ("truncated", "truncated|damaged"),
    ],
)
def test_bad_audio_is_one_line_that_names_the_file(name, reason, tmp_path):
    path = bad_files(tmp_path)[name]
    with pytest.raises(AudioError, match=reason) as caught:
        read_waveform(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_failed_write_leaves_nothing(tmp_path):
    with pytest.raises(AudioError, match="cannot write"):
        write_waveform(tmp_path / "x.xyz", tone(8, 8_000), 8_000)
    (tmp_path / "file").touch()
    with pytest.raises(CodecError, match="cannot write"):
        write_waveform(tmp_path / "file" / "x.wav", tone(8, 8_000), 8_000)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
