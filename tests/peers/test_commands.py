"""`codec evaluate --system` and `codec bench --against`."""

import json
import sys

import numpy as np
import pytest
import soundfile
import torch

from audiocodec.cli.main import main
from audiocodec.evaluation.results import read_utterances
from audiocodec.models.bundle import load_codec
from audiocodec.models.cost import macs_per_second, num_parameters

pytestmark = pytest.mark.filterwarnings("ignore")  # of old packages


@pytest.fixture
def reference(tmp_path, speech):
    """Speech at several rates and channel counts, and one file of a few samples."""
    folder = tmp_path / "reference"
    quiet = 0.5 * speech
    for name, samples, rate in (
        ("ann/high", quiet[:44_101], 44_100),
        ("ann/two", np.stack([quiet[:12_345], quiet[:12_345]], 1), 24_000),
        ("bob/low", quiet[:8_001], 8_000),
        ("bob/short", quiet[4_000:4_007], 16_000),
    ):
        path = folder / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, samples, rate, subtype="FLOAT")
    return folder


def evaluate(reference, output, *arguments):
    """The exit code and the summary of an evaluation with one cheap metric."""
    options = ["--reference", reference, "--output", output, "--metrics", "gain", "--no-report"]
    code = main(["evaluate", *map(str, [*options, "--jobs", 1, *arguments])])
    path = output / "summary.json"
    return code, json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


@pytest.mark.parametrize(
    ("key", "bitrate"),
    [
        ("encodec_48khz", 6000),
        ("encodec_of_transformers", 6000),
        ("dac_of_transformers", 9 * 10 * 400),  # 16 kHz, hop 40
        ("snac", 6 * (100 + 200 + 400)),
        ("mimi", 8 * 11 * 12.5),
        ("vocos_of_mel", None),
    ],
)
def test_every_file_comes_back_at_its_rate_and_length(saved, reference, tmp_path, key, bitrate):
    system, output = key.partition("_")[0], tmp_path / "scores"
    code, summary = evaluate(reference, output, "--system", system, "--weights", saved(key))
    for path in sorted(reference.rglob("*.wav")):
        made = output / "wav" / path.relative_to(reference)
        wanted, found = soundfile.info(path), soundfile.info(made)
        assert (found.frames, found.samplerate) == (wanted.frames, wanted.samplerate)
    stamp = summary["stamp"]
    assert stamp["model"] == system and stamp["times_real_time"] > 0
    assert stamp.get("bitrate") == bitrate
    assert bitrate is None or 0 < stamp["entropy_bitrate"] < bitrate
    assert list(read_utterances(output).index) == ["ann/high", "ann/two", "bob/low", "bob/short"]
    assert code == 0 or summary["n_failed"] == 1  # seven samples have no level


def test_an_evaluation_that_is_run_again_codes_only_what_has_changed(saved, reference, tmp_path):
    options = ("--system", "snac", "--weights", saved("snac"))
    _, first = evaluate(reference, tmp_path / "scores", *options)
    (tmp_path / "scores" / "wav" / "bob" / "low.wav").unlink()
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "scores" / "wav").rglob("*.wav")}
    _, second = evaluate(reference, tmp_path / "scores", *options)
    after = {p: p.stat().st_mtime_ns for p in (tmp_path / "scores" / "wav").rglob("*.wav")}
    assert len(after) == 4 and before.items() <= after.items()
    assert first["stamp"]["entropy_bitrate"] == second["stamp"]["entropy_bitrate"]


def test_what_a_codec_cannot_code_is_reported_and_the_rest_goes_on(
    saved, reference, tmp_path, monkeypatch, capsys
):
    from audiocodec.peers.snac import Snac

    encode = Snac.encode

    def refuse_long(self, waveform):
        if waveform.shape[-1] == 16_002:  # that is bob/low at 16 kHz
            raise ZeroDivisionError("no way")
        return encode(self, waveform)

    monkeypatch.setattr(Snac, "encode", refuse_long)
    options = ("--system", "snac", "--weights", saved("snac"))
    code, summary = evaluate(reference, tmp_path / "scores", *options)
    assert code == 3 and summary["n_utterances"] == 4
    assert "low.wav: snac cannot code it: no way" in capsys.readouterr().err
    assert (tmp_path / "scores" / "wav" / "ann" / "high.wav").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--system", "opus", "--weights", "."], "no codec 'opus'; there are encodec, dac, snac"),
        (["--system", "encodec"], "needs --weights DIR"),
        (["--model", "speech_24k", "--bandwidth", "6"], "--bandwidth is of --system"),
        (["--degraded", ".", "--weights", "."], "--weights is of --system"),
    ],
)
def test_arguments_that_do_not_go_together_are_refused(
    reference, tmp_path, arguments, message, capsys
):
    assert evaluate(reference, tmp_path / "scores", *arguments) == (2, None)
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1 and not (tmp_path / "scores").exists()


def test_a_codec_whose_package_is_absent_is_reported_and_the_others_are_measured(
    tiny_model_dir, saved, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "encodec", None)
    weights = ("--weights", f"snac={saved('snac')}", "--weights", f"mimi={tiny_model_dir}")
    options = ["--threads", "1", "--repeats", "1", "--json", "--against", "snac,encodec,mimi"]
    assert main(["bench", "--model", str(tiny_model_dir), *options, *weights]) == 3
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    codec = load_codec(tiny_model_dir)
    ours, snac = report["codecs"].values()
    assert list(report["codecs"]) == [str(tiny_model_dir), "snac"]
    assert ours["parameters"] == num_parameters(codec) and ours["bitrate"] == codec.bitrate()
    macs = macs_per_second(codec)
    counted = ours["gmacs_per_second_of_audio"]
    assert counted["encode"] * 1e9 == pytest.approx(macs.encode, rel=0.01)
    assert counted["decode"] * 1e9 == pytest.approx(macs.decode, rel=0.01)
    for own in (ours, snac):
        speed = own["times_real_time"]["1 threads"]
        halves = 1 / speed["encode"] + 1 / speed["decode"]
        assert halves * speed["encode_and_decode"] == pytest.approx(1)
        assert own["peak_megabytes"] > 50 or own["peak_megabytes"] is None
    delay = codec.hop_length * 1000 / codec.sample_rate
    assert ours["first_output_ms"]["codes"] > delay
    assert ours["first_output_ms"]["sound"] > delay * (1 + codec.decoder.delay)
    assert snac["first_output_ms"] == {"codes": None, "sound": None}
    assert "needs encodec: pip install" in report["failures"]["encodec"]
    assert "not 'mimi'" in report["failures"]["mimi"] or "mimi" in report["failures"]
    assert captured.err.count("\n") == 3 and "2 of 3 codecs" in captured.err


def test_all_runtimes_of_a_model_with_graphs_are_measured_on_the_same_codes(speech):
    pytest.importorskip("onnxruntime")
    from audiocodec.cli.bench import _ours
    from audiocodec.peers.ours import Ours

    options = _ours("speech_24k", "cpu")
    assert list(options) == [f"speech_24k ({name})" for name in ("onnx", "onnx-int8", "torch")]
    assert list(_ours("speech_24k", "cpu", "torch")) == ["speech_24k (torch)"]
    waveform = torch.from_numpy(speech[None, :24_000])
    found = {}
    for name, own in options.items():
        peer = own.load()
        assert isinstance(peer, Ours) and peer.bitrate == 6000
        coded = peer.encode(waveform)
        found[name] = (coded, peer.costs(waveform), peer.first_sound(waveform)[0])
        with peer.threads(1):
            assert peer.decode(coded).shape == (1, 24_000)
    (codes, costs, delay), *others = found.values()
    for own, own_costs, own_delay in others:
        assert np.array_equal(codes, own) and delay == own_delay == 5 * 320
        assert costs[0] == own_costs[0] and costs[1] == pytest.approx(own_costs[1], rel=0.01)


def test_what_a_model_keeps_between_calls_does_not_change_its_cost(tiny_codec):
    first = macs_per_second(tiny_codec)
    assert first.encode > 0 and macs_per_second(tiny_codec) == first


def test_an_unknown_codec_is_refused_before_anything_is_measured(capsys):
    assert main(["bench", "--against", "encodec,flac"]) == 2
    assert "no codec 'flac'" in capsys.readouterr().err
    assert main(["bench", "--against", "encodec", "--weights", "snac=."]) == 2
    assert "snac is not in --against" in capsys.readouterr().err
