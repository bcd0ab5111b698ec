"""`codec info` on models and audio, `codec bench`."""

import json

import pytest

from audiocodec import config as configuration
from audiocodec.models.codec import Codec
from audiocodec.models.config import CodecConfig
from audiocodec.models.cost import macs_per_second
from tests.cli.helpers import write_audio


def test_info_describes_a_model(tiny_model_dir, codec):
    report = json.loads(codec("info", tiny_model_dir, "--json").out)
    assert report["bitrates"] == {"1 quantizers": 300, "2 quantizers": 600, "3 quantizers": 900}
    assert report["latency_ms"] == pytest.approx(report["latency_samples"] / 24)
    parts = report["parameters"]
    assert parts["total"] == parts["encoder"] + parts["quantizer"] + parts["decoder"]
    assert report["file_bytes"] == (tiny_model_dir / "codec.safetensors").stat().st_size
    text = codec("info", tiny_model_dir)
    assert text.exit_code == 0 and report["hash"] in text.out


def test_info_describes_audio(tmp_path, codec):
    path = write_audio(tmp_path / "a.wav", 16_000, 8_000, 2)
    report = json.loads(codec("info", path, "--json").out)
    assert (report["sample_rate"], report["num_channels"], report["duration"]) == (8_000, 2, 2)
    outcome = codec("info", tmp_path / "absent.wav")
    assert outcome.exit_code == 1 and outcome.err.count("\n") == 1


def test_macs_are_those_of_the_layers():
    """A decoder of known layers: the difference of two configurations is a closed form."""

    def macs(blocks: int) -> float:
        values = {
            "latent_dim": 8,
            "encoder": {"kind": "convnext", "strides": [320], "channels": [4], "blocks": [0]},
            "quantizer": {"kind": "simvq", "codebook_size": 16},
            "decoder": {"kind": "convnext", "channels": 16, "blocks": blocks},
        }
        return macs_per_second(Codec(configuration.from_dict(CodecConfig, values)).eval()).decode

    expansion = CodecConfig().decoder.expansion
    per_frame = 2 * 16 * expansion * 16  # two pointwise layers
    assert macs(3) - macs(1) == pytest.approx(2 * 75 * per_frame)


def test_bench_measures_each_number_of_threads(tiny_model_dir, tmp_path, codec):
    import torch

    threads = torch.get_num_threads()
    audio = write_audio(tmp_path / "a.wav", 24_000)
    outcome = codec(
        "bench",
        "--model",
        tiny_model_dir,
        "--audio",
        audio,
        "--threads",
        1,
        2,
        "--repeats",
        1,
        "--json",
    )
    torch.set_num_threads(threads)
    report = json.loads(outcome.out)
    assert list(report["times_real_time"]) == ["1 threads", "2 threads"]
    speeds = report["times_real_time"]["1 threads"]
    assert 0 < speeds["encode_and_decode"] < min(speeds["encode"], speeds["decode"])
    assert report["runtime"] == "torch"  # a model without graphs
    assert report["environment"]["versions"]["torch"]


@pytest.mark.parametrize(
    ("options", "expected"), [((), "onnx"), (("--runtime", "torch-float32"), "torch-float32")]
)
def test_bench_measures_what_the_other_commands_run(tiny_graphs_dir, codec, options, expected):
    words = ("bench", "--model", tiny_graphs_dir, "--threads", 1, "--repeats", 1, "--json")
    report = json.loads(codec(*words, *options).out)
    layers = json.loads(codec(*words, "--runtime", "torch").out)
    assert (report["runtime"], layers["runtime"]) == (expected, "torch")
    for cost in ("parameters", "gmacs_per_second_of_audio"):  # those of the model
        assert report[cost] == pytest.approx(layers[cost], rel=1e-6)
