"""`codec demo` with a small model and the shipped clips."""

import numpy as np
import soundfile

from audiocodec.data.samples import DEMO, demo_speech
from audiocodec.evaluation.codes_figure import magnitudes
from tests.cli.helpers import write_audio


def test_the_demo_writes_each_clip_at_each_rate_and_prints_figures(tiny_model_dir, tmp_path, codec):
    outcome = codec("demo", "--model", tiny_model_dir, "--output", tmp_path / "demo")
    assert outcome.exit_code == 0, outcome.err
    for word in ("bitrate", "pesq_wb", "stoi", "harmonic_correlation", "tonal_lines", "900"):
        assert word in outcome.out
    folders = sorted(path.stem for path in demo_speech())
    names = sorted(path.name for path in (tmp_path / "demo").iterdir())
    assert names == sorted([*folders, "demo.png", "listen.html"])
    rates = ["decoded_0.3kbps.wav", "decoded_0.6kbps.wav", "decoded_0.9kbps.wav"]
    for source in demo_speech():
        folder = tmp_path / "demo" / source.stem
        assert sorted(p.name for p in folder.iterdir()) == ["codes.npy", *rates, "original.wav"]
        original = soundfile.info(source)
        decoded = soundfile.info(folder / rates[-1])
        assert (decoded.frames, decoded.samplerate) == (original.frames, original.samplerate)
    assert (tmp_path / "demo" / "demo.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "demo" / "listen.html").read_text().count("<audio") == 4 * len(folders)


def test_the_demo_takes_audio_on_which_metrics_are_not_defined(tiny_model_dir, tmp_path, codec):
    audio = write_audio(tmp_path / "a.wav", 500, 8_000, 2)
    command = ("demo", "--model", tiny_model_dir, "--output", tmp_path / "demo", "--audio", audio)
    outcome = codec(*command, "--num-quantizers", 1)
    assert outcome.exit_code == 0 and "not defined: shorter than" in outcome.out
    assert [p.name for p in (tmp_path / "demo" / "a").glob("dec*")] == ["decoded_0.3kbps.wav"]


def test_the_picture_is_as_bright_as_the_magnitude_and_parts_harmonics():
    time = np.arange(24_000) / 24_000
    voice = sum(np.sin(2 * np.pi * 120 * n * time) for n in range(1, 40))
    picture = magnitudes(voice, 24_000)
    assert np.allclose(magnitudes(0.5 * voice, 24_000), 0.5 * picture)
    level = picture[:, 100]  # bins of 23.3 Hz, five to a harmonic
    peaks = [level[round(120 * n / 23.26) - 1 :][:3].max() for n in range(2, 38)]
    gaps = [level[round(120 * (n + 0.5) / 23.26)] for n in range(2, 38)]
    assert max(np.array(gaps) / np.array(peaks)) < 0.1


def test_the_shipped_clips_are_small_and_name_their_source_and_licence():
    text = (DEMO / "README.md").read_text(encoding="utf-8")
    assert all(f"`{path.name}`" in text for path in demo_speech())
    assert text.count("CC0 1.0") == 2
    assert sum(path.stat().st_size for path in demo_speech()) < 400_000
