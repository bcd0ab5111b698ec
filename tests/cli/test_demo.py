"""`codec demo` with a small model and a shipped utterance."""

import soundfile

from audiocodec.data.samples import demo_speech
from tests.cli.helpers import write_audio


def test_the_demo_writes_audio_codes_a_picture_and_a_page_and_prints_figures(
    tiny_model_dir, tmp_path, codec
):
    outcome = codec("demo", "--model", tiny_model_dir, "--output", tmp_path / "demo")
    assert outcome.exit_code == 0, outcome.err
    for word in ("bitrate", "pesq_wb", "stoi", "codes.npy", "900"):
        assert word in outcome.out
    names = ["codes.npy", "decoded.wav", "demo.png", "listen.html", "original.wav"]
    assert sorted(path.name for path in (tmp_path / "demo").iterdir()) == names
    source = soundfile.info(demo_speech())
    decoded = soundfile.info(tmp_path / "demo" / "decoded.wav")
    assert (decoded.frames, decoded.samplerate) == (source.frames, source.samplerate)
    assert (tmp_path / "demo" / "demo.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "demo" / "listen.html").read_text().count("<audio") == 4


def test_the_demo_takes_audio_on_which_metrics_are_not_defined(tiny_model_dir, tmp_path, codec):
    audio = write_audio(tmp_path / "a.wav", 500, 8_000, 2)
    command = ("demo", "--model", tiny_model_dir, "--output", tmp_path / "demo", "--audio", audio)
    outcome = codec(*command, "--num-quantizers", 1)
    assert outcome.exit_code == 0 and "not defined: shorter than" in outcome.out
