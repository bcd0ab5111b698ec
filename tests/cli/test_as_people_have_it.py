"""Folders, names and pipes as people have them: nothing is lost unnoticed, nothing hangs."""

import errno
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest

from audiocodec.audio import read_waveform
from audiocodec.codes import read_codes
from audiocodec.data.data_dir import read_data_dir
from audiocodec.models.folders import ASSETS
from audiocodec.training.provenance import data_fingerprint
from tests.cli.helpers import write_audio

NO_TEXT = os.fsdecode(b"caf\xe9")


def outcomes(manifest: Path) -> dict[str, str]:
    rows = map(json.loads, manifest.read_text(encoding="utf-8").splitlines())
    return {row["source"]: row["status"] for row in rows}


def test_a_walk_follows_links_but_not_in_circles_and_counts_the_rest(
    tmp_path, tiny_model_dir, codec, caplog
):
    corpus = tmp_path / "corpus"
    write_audio(tmp_path / "elsewhere/a.wav", 400)
    write_audio(corpus / "b.flac", 400)
    (corpus / "one").symlink_to(tmp_path / "elsewhere")
    (corpus / "circle").symlink_to(corpus)
    (corpus / "gone.wav").symlink_to(tmp_path / "nothing.wav")
    os.mkfifo(corpus / "pipe.wav")
    (corpus / "words.txt").write_text("words")
    run = codec("encode", corpus, tmp_path / "out", "--model", tiny_model_dir)
    assert run.exit_code == 0
    made = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.npy")}
    assert made == {"b.npy", "one/a.npy"}
    for reason in ("1 .txt", "1 links that go round", "1 links to nothing", "1 pipes or devices"):
        assert reason in caplog.text


def test_names_that_are_no_text_go_everywhere(tmp_path, tiny_model_dir, codec):
    source = write_audio(tmp_path / "in/a.wav", 400).rename(tmp_path / f"in/{NO_TEXT}.wav")
    manifest = tmp_path / "manifest.jsonl"
    model = ("--model", tiny_model_dir)
    assert (
        codec("encode", tmp_path / "in", tmp_path / "out", *model, "--manifest", manifest).exit_code
        == 0
    )
    assert outcomes(manifest) == {str(source): "done"}
    (tmp_path / "list.scp").write_bytes(b"caf\xe9 " + os.fsencode(source) + b"\n")
    assert codec("encode", tmp_path / "list.scp", tmp_path / "listed", *model).exit_code == 0
    assert b"caf\xe9" in (tmp_path / "listed/codes.scp").read_bytes()
    assert codec("decode", tmp_path / "listed/codes.scp", tmp_path / "back", *model).exit_code == 0
    assert (tmp_path / f"back/{NO_TEXT}.wav").is_file()
    assert codec("info", source).exit_code == 0


def test_a_model_whose_name_is_no_text_gives_its_codes_one(tmp_path, codec):
    model = shutil.copytree(ASSETS / "speech_24k", tmp_path / NO_TEXT)
    source = write_audio(tmp_path / "a.wav", 4000)
    options = ("--model", model, "--runtime", "onnx")
    for made in ("a.npy", "a.npz", "a.codec"):
        assert codec("encode", source, tmp_path / made, *options).exit_code == 0
        assert read_codes(tmp_path / made).metadata.model == "caf\ufffd"
        assert codec("decode", tmp_path / made, tmp_path / "b.wav", *options).exit_code == 0
    for words in (
        (
            "train",
            "--train-data",
            "x",
            "--valid-data",
            "x",
            "--output",
            tmp_path / f"new {NO_TEXT}",
        ),
        ("model", "export", "speech_24k", tmp_path / f"new {NO_TEXT}"),
    ):
        run = codec(*words)
        assert run.exit_code and run.err.count("\n") == 1 and "not UTF-8" in run.err


def test_speakers_whose_names_are_no_text_are_trained_on(tmp_path, codec):
    for speaker in ("first", "second"):
        path = write_audio(tmp_path / "in" / speaker / "a.wav", 16_000)
        path.rename(path.with_name(f"{NO_TEXT}.wav"))
    (tmp_path / "in/first").rename(tmp_path / "in" / NO_TEXT)
    by_folder = ("--speaker-from", "^(.*)/[^/]+$", "--valid", 1, "--test", 0)
    made = codec(
        *("data", "prepare", "folder", "--audio", tmp_path / "in", *by_folder),
        *("--output", tmp_path / "data"),
    )
    assert made.exit_code == 0
    train, valid = (read_data_dir(tmp_path / "data" / part) for part in ("train", "valid"))
    assert {u.speaker for u in (*train, *valid)} == {NO_TEXT, "second"}
    assert data_fingerprint(train) != data_fingerprint(valid)


def test_a_pipe_that_was_named_is_read(tmp_path, tiny_model_dir, codec):
    source = write_audio(tmp_path / "a.wav", 400)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for data, words in (
        (source.read_bytes(), ("encode", pipe, tmp_path / "a.npy")),
        (None, ("decode", pipe, tmp_path / "b.wav")),
    ):
        content = data or (tmp_path / "a.npy").read_bytes()
        writer = threading.Thread(target=pipe.write_bytes, args=[content])
        writer.start()
        assert codec(*words, "--model", tiny_model_dir).exit_code == 0
        writer.join()
    assert read_waveform(tmp_path / "b.wav").shape == (1, 400)


def test_a_pipe_among_code_files_keeps_nobody_waiting(tmp_path, tiny_model_dir, codec, caplog):
    write_audio(tmp_path / "a.wav", 400)
    model = ("--model", tiny_model_dir)
    assert codec("encode", tmp_path / "a.wav", tmp_path / "in/a.npy", *model).exit_code == 0
    os.mkfifo(tmp_path / "in/b.npy")
    run = codec("decode", tmp_path / "in", tmp_path / "out", *model)
    assert run.exit_code == 0 and "1 pipes or devices" in caplog.text
    (tmp_path / "list.scp").write_text(f"a {tmp_path}/in/a.npy\nb {tmp_path}/in/b.npy\n")
    run = codec("decode", tmp_path / "list.scp", tmp_path / "out", *model)
    assert run.exit_code == 3 and "not a code file, but a pipe" in run.err


@pytest.mark.parametrize("dtype", ["u2", "i8", ">i4", "i1"])
def test_tokens_without_metadata_are_decoded_by_a_model_that_is_named(
    dtype, tmp_path, tiny_model_dir, codec, caplog
):
    model = ("--model", tiny_model_dir)
    write_audio(tmp_path / "a.wav", 1_000)
    assert codec("encode", tmp_path / "a.wav", tmp_path / "a.npy", *model).exit_code == 0
    codes = np.minimum(read_codes(tmp_path / "a.npy").codes, 3)
    made = []
    for name, array in {"n": codes, "one": codes[None], "first": codes[0]}.items():
        np.save(tmp_path / f"{name}.npy", np.asfortranarray(array).astype(dtype))
        run = codec("decode", tmp_path / f"{name}.npy", tmp_path / f"{name}.wav", *model)
        assert run.exit_code == 0 and "no metadata; taken as" in caplog.text
        made.append(read_waveform(tmp_path / f"{name}.wav"))
    assert np.array_equal(made[0], made[1]) and made[2].shape == made[0].shape
    np.save(tmp_path / "turned.npy", np.zeros((50, len(codes)), dtype))
    assert (
        "transpose it" in codec("decode", tmp_path / "turned.npy", tmp_path / "x.wav", *model).err
    )
    np.save(tmp_path / "far.npy", np.full(codes.shape, 127, dtype))
    run = codec("decode", tmp_path / "far.npy", tmp_path / "x.wav", *model)
    assert run.exit_code == 1 and "outside the codebooks" in run.err


def test_files_of_other_settings_are_no_reason_to_skip(tmp_path, tiny_model_dir, codec):
    write_audio(tmp_path / "in/a.wav", 400)
    words = ("encode", tmp_path / "in", tmp_path / "out", "--model", tiny_model_dir)
    assert codec(*words).exit_code == 0
    write_audio(tmp_path / "in/b.wav", 400)
    run = codec(*words, "--num-quantizers", 1, "--skip-existing")
    assert run.exit_code == 2 and "made with other settings" in run.err
    assert not (tmp_path / "out/b.npy").exists()
    assert codec(*words, "--skip-existing").exit_code == 0


FAULTS = {
    "empty.wav": lambda path, good: path.write_bytes(b""),
    "text.wav": lambda path, good: path.write_text("no audio"),
    "cut.wav": lambda path, good: path.write_bytes(good[: len(good) // 2]),
    "header.wav": lambda path, good: path.write_bytes(good[:44]),
    "hertz.wav": lambda path, good: path.write_bytes(good[:24] + bytes([1, 0, 0, 0]) + good[28:]),
    "garbage.mp3": lambda path, good: path.write_bytes(bytes(range(256)) * 4),
    "half.flac": lambda path, good: path.write_bytes(b"fLaC" + good[:100]),
}


@pytest.mark.parametrize("count", [60, pytest.param(1_000, marks=pytest.mark.slow)])
def test_every_file_of_a_folder_with_faults_is_accounted_for(count, tmp_path, tiny_model_dir):
    good = write_audio(tmp_path / "good.wav", 240).read_bytes()
    folder = tmp_path / "in"
    folder.mkdir()
    for index in range(count - 30):
        (folder / f"good{index}.wav").write_bytes(good)
    for index in range(30):
        name, make = list(FAULTS.items())[index % len(FAULTS)]
        make(folder / f"bad{index}{Path(name).suffix}", good)
    manifest = tmp_path / "manifest.jsonl"
    command = [sys.executable, "-m", "audiocodec", "encode", str(folder), str(tmp_path / "out")]
    command += ["--model", str(tiny_model_dir), "--manifest", str(manifest)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=300,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)),
    )
    found = outcomes(manifest)
    assert len(found) == count and done.returncode == 3
    wrong = {Path(source).stem for source, status in found.items() if status == "failed"}
    assert wrong == {f"bad{index}" for index in range(30)}
    assert len(list((tmp_path / "out").rglob("*.npy"))) == count - 30
    assert "Traceback" not in done.stderr


def test_a_full_stdout_is_one_line(tmp_path):
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    path = write_audio(tmp_path / "a.wav", 400)
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "audiocodec", "info", str(path)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "No space" in done.stderr


def test_a_name_that_is_too_long_is_one_line(tmp_path, tiny_model_dir, codec):
    write_audio(tmp_path / "a.wav", 400)
    run = codec(
        "encode", tmp_path / "a.wav", tmp_path / f"{'x' * 300}.npy", "--model", tiny_model_dir
    )
    assert run.exit_code == 1 and run.err.count("\n") == 1 and "too long" in run.err


def test_a_name_that_is_no_text_is_evaluated_like_any_other(tmp_path, codec):
    for folder in ("reference", "degraded"):
        write_audio(tmp_path / folder / "a.wav", 16_000)
        (tmp_path / folder / "a.wav").rename(tmp_path / folder / f"{NO_TEXT}.wav")
        write_audio(tmp_path / folder / "plain.wav", 16_000)
    run = codec(
        "evaluate", "--reference", tmp_path / "reference", "--degraded", tmp_path / "degraded",
        "--metrics", "si_sdr", "--output", tmp_path / "scores", "--no-report", "--jobs", 1,
    )  # fmt: skip
    assert run.exit_code == 0
    assert rows_of(tmp_path / "scores/utterances.parquet") == ["caf\\udce9", "plain"]


def rows_of(path: Path) -> list[str]:
    return sorted(pytest.importorskip("pyarrow.parquet").read_table(path)["id"].to_pylist())


def test_a_full_temporary_folder_is_named(tmp_path, tiny_model_dir, codec, monkeypatch):
    def full() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    run = codec("encode", "-", tmp_path / "a.npy", "--model", tiny_model_dir)
    assert run.exit_code == 1 and "No space left on device; set TMPDIR" in run.err
    assert not (tmp_path / "a.npy").exists()


def test_nothing_is_written_but_the_output_and_nobody_is_told(tmp_path, tiny_graphs_dir):
    """onnxruntime would keep what it has to report to its maker in a folder of its own."""
    path, home = write_audio(tmp_path / "a.wav", 4_000), tmp_path / "home"
    home.mkdir()
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    words = ("encode", path, tmp_path / "a.npy", "--model", tiny_graphs_dir, "--runtime", "onnx")
    done = subprocess.run(
        [sys.executable, "-m", "audiocodec", *words],
        env={**kept, "HOME": str(home)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert list(home.iterdir()) == [] and (tmp_path / "a.npy").is_file()
