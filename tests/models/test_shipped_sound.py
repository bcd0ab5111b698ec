"""What the shipped model makes of the real clips that are shipped with it."""

import numpy as np
import pytest

from audiocodec.audio import read_waveform
from audiocodec.data.samples import DEMO
from audiocodec.evaluation.metrics.fine_structure import tonal_lines
from audiocodec.models.bundle import load_codec
from audiocodec.models.folders import ASSETS

CLIPS = sorted([*DEMO.glob("*_en.flac"), *DEMO.glob("*_it.flac")])


@pytest.mark.parametrize("path", CLIPS, ids=lambda path: path.stem)
@pytest.mark.parametrize("num_quantizers", [2, 8])
def test_no_steady_line_is_heard_in_noise_and_pauses(path, num_quantizers):
    codec = load_codec("speech_24k")
    original = read_waveform(path, codec.sample_rate)[0]
    codes = codec.encode(original, num_quantizers=num_quantizers)
    decoded = codec.decode(codes, num_samples=len(original)).numpy()
    assert tonal_lines(original, decoded, codec.sample_rate) <= 3


@pytest.mark.parametrize("voice", ["en_dee_01", "de_eva_02"])
def test_both_runtimes_make_the_same_waveform(voice):
    layers, graphs = (load_codec("speech_24k", runtime=name) for name in ("torch", "onnx"))
    path = next((ASSETS / "speech_samples").glob(f"*/{voice}.*"))
    original = read_waveform(path, layers.sample_rate)[0]
    codes = graphs.encode(original)
    apart = layers.decode_array(codes) - graphs.decode_array(codes)
    assert np.abs(apart).max() < 0.1 / 2**15  # of a step of 16 bits
