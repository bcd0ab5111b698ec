"""The way to score a codec that is not ours, run as docs/evaluation.md says it."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from audiocodec.audio import write_waveform
from audiocodec.cli.main import main
from audiocodec.evaluation.results import read_utterances

DOCS = Path(__file__).parents[2] / "docs" / "evaluation.md"


def test_encodec_is_scored_by_the_commands_of_the_documentation(tmp_path, speech, monkeypatch):
    pytest.importorskip("encodec")
    text = DOCS.read_text(encoding="utf-8")
    (script,) = re.findall(r"```python\n((?:(?!```).)*EncodecModel.*?)```", text, re.DOTALL)
    (command,) = re.findall(r"^codec (evaluate .*--name EnCodec.*)$", text, re.MULTILINE)
    for speaker, rate in (("ann", 24_000), ("bob", 16_000)):
        quiet = 0.5 * speech[: 2 * rate]
        write_waveform(tmp_path / "REF" / speaker / "1.wav", np.stack([quiet, quiet]), rate)
    monkeypatch.chdir(tmp_path)
    Path("write.py").write_text(script, encoding="utf-8")
    subprocess.run([sys.executable, "-W", "ignore", "write.py", "REF", "decoded"], check=True)
    assert main([*shlex.split(command), "--metrics", "pesq_wb,stoi,gain", "--jobs", "1"]) == 0
    table = read_utterances("scores/encodec")
    assert list(table.index) == ["ann/1", "bob/1"] and list(table["speaker"]) == ["ann", "bob"]
    assert "resampled" in table.loc["bob/1", "flags"]  # EnCodec speaks at 24 kHz
    summary = json.loads(Path("scores/encodec/summary.json").read_text(encoding="utf-8"))
    assert summary["stamp"]["bitrate"] == 6000 and summary["metrics"]["stoi"]["n_ok"] == 2
    assert "EnCodec" in Path("scores/encodec/report.html").read_text(encoding="utf-8")
