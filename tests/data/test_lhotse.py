"""codec data prepare lhotse, on manifests that lhotse itself writes."""

import sys
from pathlib import Path

import numpy as np
import pytest

from audiocodec.audio import write_waveform
from audiocodec.cli.main import main
from audiocodec.data.data_dir import Utterance, read_data_dir

RATE = 16_000


@pytest.fixture
def manifests(tmp_path, monkeypatch) -> Path:
    """Three recordings with their supervisions, and cuts of them; paths as they are on disk."""
    lhotse = pytest.importorskip("lhotse", reason="pip install 'simvq-codec[lhotse]'")
    monkeypatch.chdir(tmp_path)
    recordings, supervisions = [], []
    for index, speaker in enumerate(("ann", "bob", "ann lee")):
        path = Path("audio") / f"ü {index}.wav"
        noise = np.random.default_rng(index).uniform(-0.3, 0.3, 8000 + index)
        write_waveform(path, noise.astype(np.float32), RATE)
        recordings.append(lhotse.Recording.from_file(path, recording_id=f"rec {index}"))
        supervisions.append(
            lhotse.SupervisionSegment(f"s{index}", f"rec {index}", 0.0, 0.5, speaker=speaker)
        )
    sets = {
        "recordings.jsonl.gz": lhotse.RecordingSet.from_recordings(recordings),
        "supervisions.jsonl.gz": lhotse.SupervisionSet.from_segments(supervisions),
    }
    cuts = list(lhotse.CutSet.from_manifests(*sets.values()))
    cuts[0].id, cuts[1] = "whole", cuts[1].truncate(duration=0.2)
    cuts[2] = cuts[2].perturb_speed(1.1)
    mixed = cuts[0].mix(cuts[1])
    sets["cuts.jsonl"] = lhotse.CutSet.from_cuts([*cuts, mixed])
    for name, manifest in sets.items():
        manifest.to_file(tmp_path / name)
    return tmp_path


def prepare(*words: object) -> int:
    return main(["data", "prepare", "lhotse", "--output", "data", "--jobs", "1", *map(str, words)])


def test_recordings_have_the_speakers_of_their_supervisions(manifests, capsys):
    assert prepare("--manifests", "recordings.jsonl.gz", "supervisions.jsonl.gz") == 0
    rows = read_data_dir("data/train")
    path = manifests / "audio" / "ü 0.wav"
    assert rows[0] == Utterance("rec_0", path, "ann", 8000, RATE)
    assert [row.speaker for row in rows] == ["ann", "bob", "ann_lee"]
    assert "3 utterances, 3 speakers" in capsys.readouterr().out
    assert prepare("--manifests", "recordings.jsonl.gz", "--name", "alone") == 0
    assert {row.speaker for row in read_data_dir("data/alone")} == {"unknown"}


def test_cuts_that_are_whole_files_are_utterances_and_the_others_are_named(manifests, capsys):
    assert prepare("--manifests", "cuts.jsonl") == 3
    (row,) = read_data_dir("data/train")
    assert (row.id, row.speaker, row.num_samples) == ("whole", "ann", 8000)
    errors = capsys.readouterr().err
    assert "is a part of rec 1" in errors and "is a MixedCut" in errors
    assert "is transformed when it is read" in errors and "3 of 4 files left out" in errors


def test_relative_paths_start_from_the_root(manifests, monkeypatch):
    (manifests / "elsewhere").mkdir()
    monkeypatch.chdir(manifests / "elsewhere")
    recordings = manifests / "recordings.jsonl.gz"
    assert prepare("--manifests", recordings, "--root", manifests) == 0
    assert read_data_dir("data/train")[0].path == manifests / "audio" / "ü 0.wav"


def test_what_is_no_manifest_is_refused_in_one_line(manifests, capsys, monkeypatch):
    (manifests / "text.jsonl").write_text("no manifest\n")
    (manifests / "odd.jsonl").write_text('{"id": 1}\n')
    for name in ("text.jsonl", "odd.jsonl", "missing.jsonl", "supervisions.jsonl.gz"):
        assert prepare("--manifests", name) == 1
        error = capsys.readouterr().err
        assert error.startswith(f"codec: error: {name}") and error.count("\n") == 1
    monkeypatch.setitem(sys.modules, "lhotse.serialization", None)
    assert prepare("--manifests", "cuts.jsonl") == 2
    assert "pip install 'simvq-codec[lhotse]'" in capsys.readouterr().err
