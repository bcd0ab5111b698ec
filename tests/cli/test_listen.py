"""`codec listen`: the page in a browser, what is on it, and what it refuses."""

import base64
import io
import re

import numpy as np
import pytest
import soundfile

from audiocodec.audio import resample
from audiocodec.models.bundle import load_codec
from tests.cli.helpers import write_audio
from tests.evaluation.browser import CHROMIUM, Browser

RATE = 16_000


@pytest.fixture
def recording(tmp_path, speech):
    path = tmp_path / "<b>speech.wav"
    soundfile.write(path, np.stack([speech, speech], 1)[: 2 * RATE], RATE)
    return path


def sounds(page: str) -> list[np.ndarray]:
    encoded = re.findall(r'"data:audio/flac;base64,([^"]+)"', page)
    return [soundfile.read(io.BytesIO(base64.b64decode(text)))[0] for text in encoded]


def test_the_page_has_the_original_and_every_bitrate(recording, tiny_model_dir, tmp_path, codec):
    target = tmp_path / "page.html"
    command = ("listen", recording, "--model", tiny_model_dir, "--output", target)
    outcome = codec(*command)
    assert outcome.exit_code == 0, outcome.err
    page = target.read_text()
    assert f"{target.stat().st_size / 1e6:.1f} MB" in outcome.out
    for text in ("0.3 kbit/s, 1 of 3", "0.6 kbit/s, 2 of 3", "0.9 kbit/s, 3 of 3", "not matched"):
        assert text in page
    assert page.count("pesq_wb 1.") == page.count("stoi ") == 3 and "2 channels averaged" in page
    assert "&lt;b&gt;speech" in page and "<b>speech" not in page
    assert not re.findall(r'(?:src|href)="(?!data:)', page) and "http" not in page
    original, _, _, best = sounds(page)
    waveform, _ = soundfile.read(recording)
    assert np.abs(original - waveform.mean(1)).max() <= 1 / 2**15
    model = load_codec(tiny_model_dir)
    decoded = model.decode(model.encode(original.astype(np.float32), RATE)).numpy()
    expected = resample(decoded, model.sample_rate, RATE)[: len(original)]
    assert np.abs(best - expected).max() <= 1 / 2**15


def test_beams_are_heard_and_named(recording, tiny_model_dir, tmp_path, codec):
    pages = {}
    for beams in (1, 4):
        target = tmp_path / f"{beams}.html"
        options = ("--model", tiny_model_dir, "--output", target, "--beams", beams)
        assert codec("listen", recording, *options).exit_code == 0
        pages[beams] = target.read_text()
    assert "4 beams" in pages[4] and "beams" not in pages[1]
    (*_, plain), (original, *_, searched) = sounds(pages[1]), sounds(pages[4])
    model = load_codec(tiny_model_dir, beams=4)
    decoded = model.decode(model.encode(original.astype(np.float32), RATE)).numpy()
    expected = resample(decoded, model.sample_rate, RATE)[: len(original)]
    assert np.abs(searched - expected).max() <= 1 / 2**15 < np.abs(searched - plain).max()


def test_long_recordings_are_cut_and_pages_that_no_browser_opens_are_refused(
    recording, tiny_model_dir, tmp_path, codec
):
    target = tmp_path / "page.html"
    options = ("--model", tiny_model_dir, "--output", target, "--num-quantizers", 1)
    outcome = codec("listen", recording, *options, "--seconds", 0.3)
    assert outcome.exit_code == 0 and "only the first 0.3 s of 2.0 s" in outcome.err
    page = target.read_text()
    assert [len(sound) for sound in sounds(page)] == [4_800, 4_800]
    assert "the first 0.3 s of 2.0 s" in page and "pesq_wb not defined: shorter than" in page
    long = write_audio(tmp_path / "long" / "a.wav", 16 * 60 * 4_000, 4_000)
    outcome = codec("listen", long.parent, *options, "--seconds", "inf")
    assert outcome.exit_code == 2 and "32.0 minutes of sound in 2 players" in outcome.err
    assert target.read_text() == page
    for wrong in (
        (tmp_path / "absent.wav",),
        (recording, "--num-quantizers", 4),
        (recording, "--seconds", 0),
        (recording, "--seconds", "nan"),
        (tiny_model_dir,),
    ):
        outcome = codec("listen", *wrong[:1], *options, *wrong[1:])
        assert outcome.exit_code in (1, 2) and outcome.err.count("\n") == 1


KEY = """document.dispatchEvent(new KeyboardEvent("keydown", {key: "%s"}));"""
PLAYING = """
new Promise(done => {
  const audios = [...document.querySelectorAll("audio")];
  const look = () => {
    const playing = audios.map(audio => !audio.paused);
    const index = playing.indexOf(true);
    if (playing.filter(Boolean).length === 1 && audios[index].currentTime > %s)
      done([index, audios[index].currentTime]);
    else setTimeout(look, 20);
  };
  look();
})
"""


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine (apt install chromium)")
def test_versions_change_while_they_play_by_keys_and_by_touch(
    recording, tiny_model_dir, tmp_path, codec
):
    target = tmp_path / "page.html"
    options = ("--model", tiny_model_dir, "--output", target, "--num-quantizers", 1, 3)
    assert codec("listen", recording, recording, *options).exit_code == 0
    with Browser(tmp_path / "profile") as browser:
        browser.open(target)
        browser.evaluate(KEY % "1")
        assert browser.evaluate(PLAYING % 0.1)[0] == 0
        browser.evaluate(KEY % "3")
        index, position = browser.evaluate(PLAYING % 0)
        assert index == 2 and position > 0.1  # goes on from where the other was
        browser.evaluate('document.querySelectorAll("button")[1].click()')
        index, position = browser.evaluate(PLAYING % 0)
        assert index == 1 and position > 0.1
        browser.evaluate(KEY % " ")
        assert browser.evaluate("[...document.querySelectorAll('audio')].every(a => a.paused)")
        browser.evaluate(KEY % "n")
        assert browser.evaluate(PLAYING % 0)[0] == 3
        browser.evaluate(KEY % "9")  # there is none
        browser.evaluate(KEY % "p")
        assert browser.evaluate(PLAYING % 0)[0] == 0
        loaded = "[...document.images].every(i => i.complete && i.naturalWidth > 100)"
        assert browser.evaluate(loaded)
        for width, height in ((1280, 900), (360, 740)):  # a desk and a phone
            browser.resize(width, height)
            assert browser.evaluate("document.documentElement.scrollWidth") <= width
        assert browser.troubles == []
