import json
import re
from pathlib import Path

import numpy as np
import pytest
from browser import CHROMIUM, Browser

from audiocodec.audio import write_waveform
from audiocodec.cli.main import main
from audiocodec.codes import read_codes
from audiocodec.evaluation.results import read_utterances

RATE = 24_000


@pytest.fixture(scope="module")
def evaluations(
    tmp_path_factory: pytest.TempPathFactory, speech: np.ndarray, tiny_model_dir: Path
) -> list[Path]:
    """Evaluations of a model at two bitrates, by the command line, and the page about both."""
    folder = tmp_path_factory.mktemp("evaluations")
    for name, gain in (("one", 1.0), ("two words", 0.5), ("<b>&amp;", 0.7)):
        write_waveform(folder / "reference" / f"{name}.wav", gain * speech, RATE)
    outputs = [folder / "one_stage", folder / "all_stages"]
    for output, stages in zip(outputs, (["--num-quantizers", "1"], []), strict=True):
        system = ["--reference", str(folder / "reference"), "--model", str(tiny_model_dir), *stages]
        options = ["--output", str(output), "--metrics", "stoi,si_sdr", "--jobs", "1"]
        assert main(["evaluate", *system, *options]) == 0
    assert main(["report", *map(str, outputs)]) == 0
    return outputs


def test_a_model_is_evaluated_with_its_bitrate_usage_and_speed(evaluations):
    stamps = [json.loads((e / "summary.json").read_text())["stamp"] for e in evaluations]
    assert [stamp["bitrate"] for stamp in stamps] == [300.0, 900.0]
    assert all(0 < stamp["entropy_bitrate"] <= stamp["bitrate"] for stamp in stamps)
    assert all(0 < stamp["used_min"] <= 1 and stamp["times_real_time"] > 0 for stamp in stamps)
    assert all(stamp["model_hash"] == stamps[0]["model_hash"] for stamp in stamps)
    assert {"resampler", "versions", "commit", "command", "processor", "threads"} <= set(stamps[0])
    table = read_utterances(evaluations[0])
    assert set(table.index) == {"one", "two words", "<b>&amp;"}
    assert (table["length_difference"] == 0).all()
    assert read_codes(evaluations[0] / "codes" / "one.npy").codes.shape[0] == 1


def test_a_second_run_encodes_and_scores_nothing_again(evaluations, tiny_model_dir):
    output = evaluations[0]
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*.wav")}
    rows, facts = ((output / name).read_text() for name in ("scores.jsonl", "roundtrip.jsonl"))
    speed = json.loads((output / "summary.json").read_text())["stamp"]["times_real_time"]
    system = ["--reference", str(output.parent / "reference"), "--model", str(tiny_model_dir)]
    options = ["--num-quantizers", "1", "--output", str(output), "--metrics", "stoi,si_sdr"]
    assert main(["evaluate", *system, *options, "--no-report"]) == 0
    assert before == {path: path.stat().st_mtime_ns for path in output.rglob("*.wav")}
    assert (output / "scores.jsonl").read_text().strip() == rows.strip()
    assert (output / "roundtrip.jsonl").read_text().strip() == facts.strip()
    assert json.loads((output / "summary.json").read_text())["stamp"]["times_real_time"] == speed


def test_what_a_model_makes_is_not_written_over_or_beside_the_reference(
    tiny_model_dir, tmp_path, speech
):
    write_waveform(tmp_path / "data" / "a.wav", speech, RATE)
    scp = tmp_path / "bad.scp"
    scp.write_text(f"../../out {tmp_path}/data/a.wav\nb {tmp_path}/data/a.wav\n")
    options = ["--model", str(tiny_model_dir), "--metrics", "si_sdr", "--no-report", "--output"]
    assert main(["evaluate", "--reference", str(tmp_path / "data"), *options, str(tmp_path)]) == 2
    assert main(["evaluate", "--reference", str(scp), *options, str(tmp_path / "x" / "y")]) == 3
    assert not list(tmp_path.rglob("out*"))
    assert read_utterances(tmp_path / "x" / "y").loc["../../out", "reason"] == "no degraded file"


def test_the_page_needs_nothing_but_itself(evaluations):
    page = (evaluations[0] / "report.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!data:)', page) and "http" not in page
    assert page.count("<audio") == 2 * 3 and "one_stage" in page
    both = (evaluations[0].parent / "report.html").read_text()
    assert both.count("<audio") == 3 * 3 and "mean scores against bitrate" in both
    assert "mean scores against bitrate" not in page


def test_names_in_the_page_are_text(evaluations):
    page = (evaluations[0] / "report.html").read_text()
    assert "&lt;b&gt;&amp;amp;" in page and "<b>" not in page


def test_audio_that_is_gone_leaves_the_rest_of_the_page(evaluations, tmp_path):
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("summary.json", "utterances.csv"):
        text = (evaluations[0] / name).read_text()
        (moved / name).write_text(text.replace(str(evaluations[0]), str(tmp_path / "gone")))
    assert main(["report", str(moved)]) == 0
    page = (moved / "report.html").read_text()
    assert "Distributions" in page and "<audio" not in page


PLAY = """
(async () => {
  const played = [];
  for (const audio of document.querySelectorAll("audio")) {
    await audio.play();
    await new Promise(done => audio.ontimeupdate = () => audio.currentTime > 0.05 && done());
    audio.pause();
    played.push([audio.duration, audio.currentTime, audio.error]);
  }
  return played;
})()
"""
PICTURES = "[...document.images].every(i => i.complete && i.naturalWidth > 100)"


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine (apt install chromium)")
def test_the_page_opens_in_a_browser_and_its_sounds_play(evaluations, tmp_path, speech):
    page = evaluations[0].parent / "report.html"
    with Browser(tmp_path / "profile") as browser:
        browser.open(page)
        played = browser.evaluate(PLAY)
        assert len(played) == 9
        for duration, position, error in played:
            assert duration == pytest.approx(len(speech) / RATE, abs=0.05)
            assert position > 0.05 and error is None
        assert browser.evaluate(PICTURES)
        for width, height in ((1280, 900), (360, 740)):  # a desk and a phone
            browser.resize(width, height)
            assert browser.evaluate("document.documentElement.scrollWidth") <= width
            (tmp_path / f"{width}.png").write_bytes(browser.screenshot())
        assert browser.troubles == []
    assert (tmp_path / "360.png").stat().st_size > 5000


def test_audio_decoded_from_our_code_files_has_their_bitrate(evaluations, tmp_path):
    one, both = evaluations
    sides = ["--reference", str(one.parent / "reference"), "--degraded", str(one / "wav")]
    options = ["--output", str(tmp_path / "out"), "--metrics", "si_sdr", "--no-report", "--codes"]
    assert main(["evaluate", *sides, *options, str(one / "codes")]) == 0
    stamp = json.loads((tmp_path / "out" / "summary.json").read_text())["stamp"]
    model = json.loads((one / "summary.json").read_text())["stamp"]["model_hash"]
    assert (stamp["bitrate"], stamp["num_quantizers"], stamp["model_hash"]) == (300.0, 1, model)
    for folder in (both.parent, tmp_path):  # of two bitrates, without code files
        assert main(["evaluate", *sides, *options, str(folder)]) == 1
