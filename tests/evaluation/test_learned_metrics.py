"""Metrics by learned models, with small models made here: closed forms instead of weights."""

from pathlib import Path

import numpy as np
import pytest
import torch

from audiocodec.audio import resample
from audiocodec.errors import ConfigError
from audiocodec.evaluation.metrics import METRICS, files_of, select, with_installed
from audiocodec.evaluation.metrics.learned import SpeakerSimilarity
from audiocodec.evaluation.scoring import score_signals

RATE = 16_000


@pytest.fixture
def dnsmos(tmp_path: Path) -> str:
    """A network (1, 144160) -> (1, 3): mean square of the window, 2 and 3."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    make, kind = onnx.helper, onnx.TensorProto.FLOAT
    constant = make.make_tensor("rest", kind, [1, 2], [2.0, 3.0])
    axes = make.make_tensor("axes", onnx.TensorProto.INT64, [1], [1])
    nodes = [
        make.make_node("Mul", ["input_1", "input_1"], ["square"]),
        make.make_node("ReduceMean", ["square", "axes"], ["mean"]),
        make.make_node("Concat", ["mean", "rest"], ["output"], axis=1),
    ]
    graph = make.make_graph(
        nodes,
        "tiny",
        [make.make_tensor_value_info("input_1", kind, [1, 144_160])],
        [make.make_tensor_value_info("output", kind, [1, 3])],
        [constant, axes],
    )
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, tmp_path / "sig_bak_ovr.onnx")
    return str(tmp_path / "sig_bak_ovr.onnx")


class Loudness(torch.nn.Module):
    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        return 1 + 4 * waveform.abs().mean()


class Halves(torch.nn.Module):
    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        half = waveform.shape[1] // 2
        return torch.stack([waveform[:, :half].abs().sum(), waveform[:, half:].abs().sum()])


@pytest.fixture
def torchscript(tmp_path: Path) -> dict[str, str]:
    files = {}
    for name, module in (("utmos", Loudness()), ("speaker", Halves())):
        files[name] = str(tmp_path / f"{name}.pt")
        torch.jit.trace(module, torch.zeros(1, 8)).save(files[name])
    return files


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_networks_score_the_signals_at_16_khz(torchscript):
    metrics, absent = select(["utmos", "speaker_similarity", "wer"], torchscript)
    assert absent == ["wer"]
    left = np.concatenate([np.full(RATE, 0.5), np.zeros(RATE)]).astype(np.float32)
    scores, reasons = score_signals(left, left[::-1].copy() + 0.5 * left, RATE, metrics)
    assert not reasons
    assert scores["utmos"] == pytest.approx(1 + 4 * 0.375)
    assert scores["speaker_similarity"] == pytest.approx(1 / np.sqrt(5))  # (1, 0) and (1, 2)


def test_dnsmos_is_the_mean_over_windows_of_its_polynomials(dnsmos):
    metrics, _ = select(["dnsmos", "dnsmos_sig", "dnsmos_bak"], {"dnsmos": dnsmos})
    seconds = np.repeat([0.1, 0.3], [9 * RATE, 3 * RATE]).astype(np.float32)  # windows at 0, 1, 2 s
    scores, reasons = score_signals(seconds, seconds, RATE, metrics)
    assert not reasons
    windows = [seconds[s * RATE : s * RATE + 144_160] for s in range(3)]
    sig = [np.polyval([-0.08397278, 1.22083953, 0.0052439], np.mean(w**2)) for w in windows]
    assert scores["dnsmos_sig"] == pytest.approx(np.mean(sig), rel=1e-3)  # float32
    assert scores["dnsmos_bak"] == pytest.approx(-0.13166888 * 4 + 1.60915514 * 2 - 0.39604546)
    assert scores["dnsmos"] == pytest.approx(-0.06766283 * 9 + 1.11546468 * 3 + 0.04602535)
    short = seconds[35 * RATE // 4 : 37 * RATE // 4]  # is repeated up to 9.01 s
    repeated = np.resize(short, 144_160)
    assert score_signals(short, short, RATE, metrics)[0]["dnsmos_sig"] == pytest.approx(
        np.polyval([-0.08397278, 1.22083953, 0.0052439], np.mean(repeated**2)), rel=1e-3
    )


def test_word_error_rate_is_the_edit_distance_of_transcripts(tmp_path):
    """A recogniser that writes one word a second, by level."""
    recogniser = tmp_path / "asr.py"
    recogniser.write_text(
        "WORDS = ['', 'One,', 'two', 'three']\n"
        "def transcribe(waveform, sample_rate):\n"
        "    seconds = waveform.reshape(-1, sample_rate)\n"
        "    return ' '.join(WORDS[round(10 * float(second.mean()))] for second in seconds)\n"
    )
    metrics, _ = select(["wer"], {"wer": f"{recogniser}:transcribe"})

    def wer(truth: list[float], heard: list[float]) -> dict[str, float] | dict[str, str]:
        signals = [np.repeat(np.float32(x), RATE) for x in (truth, heard)]
        scores, reasons = score_signals(*signals, RATE, metrics)
        return scores or reasons

    assert wer([0.1, 0.2, 0.3], [0.1, 0.2, 0.3]) == {"wer": 0}
    assert wer([0.1, 0.2, 0.3], [0.1, 0.3, 0.3]) == {"wer": pytest.approx(1 / 3)}  # another word
    assert wer([0.1, 0.2, 0.3], [0.1, 0.3, 0.0]) == {"wer": pytest.approx(1 / 3)}  # one is missing
    assert wer([0.1, 0.0, 0.0], [0.2, 0.3, 0.3]) == {"wer": pytest.approx(3)}
    assert wer([0.01, 0.02], [0.1, 0.2]) == {"wer": "no word is recognised in the reference"}


def test_files_that_are_no_models_stop_the_evaluation_with_one_line(tmp_path, speech):
    (tmp_path / "text.onnx").write_text("no model")
    (tmp_path / "text.pt").write_text("no model")
    (tmp_path / "asr.py").write_text("name = 1\n")
    for key, file in (("dnsmos", "text.onnx"), ("utmos", "text.pt"), ("wer", "asr.py:name")):
        metrics, _ = select(["all"], {key: str(tmp_path / file)})
        local = {name: metric for name, metric in metrics.items() if name not in METRICS}
        with pytest.raises(ConfigError, match=file.partition(":")[0]):
            score_signals(speech, speech, 24_000, local)


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_a_score_that_is_not_finite_is_a_failure(tmp_path, torchscript):
    zeros = torch.jit.trace(torch.nn.Threshold(1e9, 0.0), torch.zeros(1, 8))
    zeros.save(tmp_path / "zeros.pt")
    metric = SpeakerSimilarity(str(tmp_path / "zeros.pt"))
    with pytest.raises(ValueError, match="zero or not finite"):
        metric(*2 * [np.linspace(0, 1, RATE, dtype=np.float32)], RATE)


def test_dnsmos_of_speech_is_what_its_authors_package_says(speech):
    pytest.importorskip("onnxruntime")
    dnsmos = pytest.importorskip("speechmos.dnsmos")
    noise = np.random.default_rng(0).standard_normal(len(speech))
    noisy = (speech + 0.02 * noise).astype(np.float32)
    degraded = resample(np.tile(noisy, 5), 24_000, RATE)  # two windows
    metrics, absent = select(["dnsmos", "dnsmos_sig", "dnsmos_bak"], with_installed({}))
    assert not absent and files_of(metrics, with_installed({})).keys() == {"dnsmos"}
    scores, _ = score_signals(degraded, degraded, RATE, metrics)
    theirs = dnsmos.run(degraded, RATE)
    for name, key in (("dnsmos", "ovrl"), ("dnsmos_sig", "sig"), ("dnsmos_bak", "bak")):
        assert scores[name] == pytest.approx(theirs[f"{key}_mos"], abs=1e-4), name
