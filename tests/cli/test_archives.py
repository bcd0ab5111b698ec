"""Kaldi archives: "a.ark:123" is a sound file wherever a path may be one."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from audiocodec.audio import audio_info, read_audio
from audiocodec.codes import read_codes
from audiocodec.errors import AudioError
from audiocodec.files import archive_of
from audiocodec.journal import key_of
from tests.soundfiles.made import NUM_SAMPLES, cut, written

WAV, FLAC = written("WAV", "PCM_16"), written("FLAC", "PCM_16")
SIZE = len(FLAC).to_bytes(3, "little")
FILES = {"one": WAV, "two": FLAC, "three": written("WAV", "PCM_24", 2)}
MEMBERS = {"one": WAV, "two": b"AUDIO\3" + SIZE + FLAC, "three": FILES["three"]}


@pytest.fixture
def lines(tmp_path: Path) -> dict[str, str]:
    """What a `wav.scp` says of each member of an archive, and each beside it as a file."""
    data, names = b"", {}
    for name, member in MEMBERS.items():
        data += f"{name} ".encode()
        names[name] = f"{tmp_path / 'all.ark'}:{len(data)}"
        data += member
        (tmp_path / name).write_bytes(FILES[name])
    (tmp_path / "all.ark").write_bytes(data)
    return names


def test_a_member_is_read_as_the_file_would_be(lines: dict[str, str], tmp_path: Path) -> None:
    for name, line in lines.items():
        for options in ({}, {"sample_rate": 8_000, "start": 200, "num_samples": 300}):
            found, wanted = (
                read_audio(source, channel="each", **options) for source in (line, tmp_path / name)
            )
            np.testing.assert_array_equal(found.waveform, wanted.waveform)
            assert found.info == wanted.info


def test_members_are_coded_checked_stored_and_scored_as_files_are(
    lines: dict[str, str], tmp_path: Path, tiny_model_dir: Path, codec
) -> None:
    for kind, paths in (("ark", lines), ("files", {name: tmp_path / name for name in lines})):
        folder = tmp_path / kind
        folder.mkdir()
        scp = "".join(f"{name} {path}\n" for name, path in sorted(paths.items()))
        (folder / "wav.scp").write_text(scp)
        (folder / "utt2spk").write_text("".join(f"{name} {name}\n" for name in sorted(paths)))
        fixed = tmp_path / f"{kind}_fixed"
        shards, codes = tmp_path / f"{kind}_shards", tmp_path / f"{kind}_codes"
        assert codec("encode", folder, codes, "--model", tiny_model_dir).exit_code == 0
        assert codec("data", "validate", folder, "--fix", fixed).exit_code in (0, 1)
        assert codec("data", "shard", fixed / kind, shards).exit_code == 0
        run = codec(
            "evaluate", "--reference", fixed / kind, "--model", tiny_model_dir,
            "--metrics", "si_sdr", "--output", tmp_path / f"{kind}_scores", "--json", "--jobs", 1,
        )  # fmt: skip
        assert run.exit_code == 0 and json.loads(run.out)["n_utterances"] == len(lines)
    for name in lines:
        own, other = (
            read_codes(tmp_path / f"{kind}_codes/{name}.npy") for kind in ("ark", "files")
        )
        np.testing.assert_array_equal(own.codes, other.codes)
        assert own.metadata == other.metadata
    for table in ("utt2num_samples", "utt2sr"):
        assert (tmp_path / f"ark_fixed/ark/{table}").read_bytes() == (
            tmp_path / f"files_fixed/files/{table}"
        ).read_bytes()
    own, other = (next((tmp_path / f"{kind}_shards").iterdir()) for kind in ("ark", "files"))
    assert own.read_bytes() == other.read_bytes()


def test_a_member_is_described_and_coded_alone(
    lines: dict[str, str], tmp_path: Path, tiny_model_dir: Path, codec
) -> None:
    report = json.loads(codec("info", lines["two"], "--json").out)
    assert report["num_samples"] == NUM_SAMPLES
    assert report["file_bitrate"] == pytest.approx(8 * len(FLAC) / report["duration"])
    target = tmp_path / "x.npy"
    assert codec("encode", lines["two"], target, "--model", tiny_model_dir).exit_code == 0
    run = codec("encode", lines["two"], tmp_path / "x", "--model", tiny_model_dir)
    assert run.exit_code == 2 and "a code file ends in" in run.err


def test_what_is_no_sound_is_said_to_be_none(lines: dict[str, str], tmp_path: Path) -> None:
    archive, _, offset = lines["one"].rpartition(":")
    for at in (0, int(offset) + 1, 10**9):
        with pytest.raises(AudioError, match=f"^{archive}:{at}: neither a WAV file nor"):
            audio_info(f"{archive}:{at}")
    for name in ("gone.ark:4", f"all.ark:{10**30}"):
        with pytest.raises(AudioError, match=f"{name}: no such audio file"):
            audio_info(tmp_path / name)
    Path(archive).write_bytes(b"one " + cut(WAV))
    with pytest.raises(AudioError, match=f"^{archive}:4: truncated"):
        audio_info(f"{archive}:4")


def test_a_file_of_such_a_name_comes_first(lines: dict[str, str], tmp_path: Path) -> None:
    shutil.copy(tmp_path / "three", lines["one"])
    assert audio_info(lines["one"]).num_channels == 2


def test_work_is_done_again_when_the_archive_has_changed(lines: dict[str, str]) -> None:
    path = Path(lines["one"])
    before, (archive, _) = key_of(path), archive_of(path) or (path, 0)
    archive.write_bytes(archive.read_bytes() + b"four ")
    assert key_of(path) != before
