"""What the shipped model makes of the real clips that are shipped with it."""

import pytest

from audiocodec.audio import read_waveform
from audiocodec.data.samples import DEMO
from audiocodec.evaluation.metrics.fine_structure import tonal_lines
from audiocodec.models.bundle import load_codec

CLIPS = sorted([*DEMO.glob("*_en.flac"), *DEMO.glob("*_it.flac")])


@pytest.mark.parametrize("path", CLIPS, ids=lambda path: path.stem)
@pytest.mark.parametrize("num_quantizers", [2, 8])
def test_no_steady_line_is_heard_in_noise_and_pauses(path, num_quantizers):
    codec = load_codec("speech_24k")
    original = read_waveform(path, codec.sample_rate)[0]
    codes = codec.encode(original, num_quantizers=num_quantizers)
    decoded = codec.decode(codes, num_samples=len(original)).numpy()
    assert tonal_lines(original, decoded, codec.sample_rate) <= 3
