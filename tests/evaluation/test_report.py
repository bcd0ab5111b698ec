import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from audiocodec.audio import write_waveform
from audiocodec.cli.main import main
from audiocodec.evaluation.comparison import compare

RATE = 24_000
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def table(values: list[float]) -> pd.DataFrame:
    ids = [f"u{index}" for index in range(len(values))]
    return pd.DataFrame({"speaker": ids, "stoi": values}, index=ids)


def test_a_comparison_is_over_the_same_utterances():
    a, b = table([0.1, 0.2, 0.3, 0.4, np.nan]), table([0.2, 0.3, 0.4, 0.4])
    result = compare(a, b)["stoi"]
    assert (result.n, result.wins, result.ties, result.losses) == (4, 3, 1, 0)
    assert result.difference == pytest.approx(0.075)
    assert result.ci_low <= 0.075 <= result.ci_high
    same = compare(a, a)["stoi"]
    assert (same.difference, same.p_value, same.ties) == (0.0, 1.0, 4)


@pytest.fixture
def evaluations(tmp_path: Path, speech: np.ndarray, tiny_model_dir: Path) -> list[Path]:
    """Evaluations of a model at two bitrates, by the command line."""
    for name, gain in (("one", 1.0), ("two words", 0.5)):
        write_waveform(tmp_path / "reference" / f"{name}.wav", gain * speech, RATE)
    outputs = [tmp_path / "one_stage", tmp_path / "all_stages"]
    for output, stages in zip(outputs, (["--num-quantizers", "1"], []), strict=True):
        reference, model = str(tmp_path / "reference"), str(tiny_model_dir)
        options = ["--data", reference, "--model", model, "--output", str(output), *stages]
        assert main(["evaluate", *options, "--metrics", "stoi,si_sdr", "--jobs", "1"]) == 0
    return outputs


def test_a_model_is_evaluated_with_its_bitrate_usage_and_speed(evaluations, capsys):
    stamps = [json.loads((e / "summary.json").read_text())["stamp"] for e in evaluations]
    assert [stamp["bitrate"] for stamp in stamps] == [300.0, 900.0]
    assert all(stamp["entropy_bitrate"] <= stamp["bitrate"] for stamp in stamps)
    assert all(stamp["model_hash"] == stamps[0]["model_hash"] for stamp in stamps)
    rows = pd.read_csv(evaluations[0] / "utterances.csv")
    assert set(rows["id"]) == {"one", "two words"} and (rows["length_difference"] == 0).all()
    capsys.readouterr()
    assert main(["compare", *map(str, evaluations), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[str(evaluations[1])]["stoi"]["n"] == 2


def test_the_page_needs_nothing_but_itself(evaluations):
    page = (evaluations[0] / "report.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!data:)', page) and "http" not in page
    assert page.count("<audio") == 4 and "one_stage" in page


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
@pytest.mark.slow
def test_the_page_opens_in_a_browser_and_its_sounds_have_a_duration(evaluations, tmp_path):
    page = (evaluations[0] / "report.html").read_text()
    probe = """<script>window.onerror = m => document.title = 'error ' + m;
    window.onload = () => setTimeout(() => document.title = 'durations ' +
      [...document.querySelectorAll('audio')].map(a => a.duration.toFixed(3)).join(' '), 1500)
    </script></body>"""
    (tmp_path / "probe.html").write_text(page.replace("</body>", probe))
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=8000"]
    flags += ["--disable-background-networking", f"--user-data-dir={tmp_path / 'profile'}"]
    command = [str(CHROMIUM), *flags, "--dump-dom", (tmp_path / "probe.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    title = re.search(r"<title>(.*?)</title>", done.stdout)
    assert title is not None and title[1].startswith("durations ")
    durations = [float(value) for value in title[1].split()[1:]]
    assert len(durations) == 4 and all(duration > 1 for duration in durations)
