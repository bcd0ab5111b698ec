"""Every file is read to its end, like ffmpeg reads it, or is a clear error; all readers agree."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from audiocodec.audio import audio_info, read_audio, read_waveform, resample
from audiocodec.audio_blocks import AudioReader
from audiocodec.cli.main import main
from audiocodec.data.crops import Crops, CropsConfig
from audiocodec.data.data_dir import Utterance
from audiocodec.data.prepare import folder_recordings, scan
from audiocodec.data.validation import check_file
from audiocodec.errors import AudioError, DataError
from audiocodec.evaluation.metrics import select
from audiocodec.evaluation.pairs import PairOfFiles
from audiocodec.evaluation.scoring import score_pair
from tests.soundfiles.made import RATE, Made, all_made, source

# Seen with 5.1: RIFX is read as if it were RIFF, and W64 with a tag not at all; the delay of the
# second Opus stream is left in, which RFC 7845 takes out.
FFMPEG_IS_WRONG = {
    *("big.wav", "tagged.w64", "joined.opus"),
    *("with_ape_tag.mp3", "with_all_tags.mp3", "padded.mp3", "padded_and_tagged.mp3"),
}


Files = dict[str, Made]


@pytest.fixture(scope="module")
def files() -> Files:
    return {made.name: made for made in all_made()}


@pytest.fixture(scope="module")
def readable(files: Files) -> list[Made]:
    return [made for made in files.values() if not made.fault]


@pytest.fixture(scope="module")
def folder(files: Files, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    for made in files.values():
        (folder / made.name).write_bytes(made.data)
    return folder


def ends(path: Path) -> dict[str, int | str]:
    """Of each way to read a file, the number of samples or the error."""

    def blocks() -> int:
        return sum(part.shape[1] for part in AudioReader(path).blocks())

    ways: dict[str, Callable[[], int]] = {
        "info": lambda: audio_info(path).num_samples,
        "whole": lambda: read_waveform(path, channel=0).shape[1],
        "blocks": blocks,
        "part": lambda: read_audio(path, start=5, num_samples=5).info.num_samples,
    }
    found: dict[str, int | str] = {}
    for name, way in ways.items():
        try:
            found[name] = way()
        except AudioError as error:
            found[name] = str(error)
    checked = check_file(Utterance("x", path, "s", 1), path.parent, None)
    found["validate-data"] = checked.num_samples or checked.findings[0].problem
    return found


def test_all_readers_find_the_same_samples_or_the_same_fault(files: Files, folder: Path) -> None:
    assert len(files) > 70
    for made in files.values():
        found = ends(folder / made.name)
        if not made.fault:
            assert len(set(found.values())) == 1, (made.name, found)
            assert made.num_samples in (None, found["info"]), made.name
            assert audio_info(folder / made.name).sample_rate == made.rate
            continue
        for way, error in found.items():
            assert isinstance(error, str), (made.name, way)
            assert made.name in error and "\n" not in error
        with pytest.raises(AudioError, match=made.fault):
            read_waveform(folder / made.name)


def test_samples_are_those_that_were_written(readable: list[Made], folder: Path) -> None:
    for made in readable:
        waveform, info, _ = read_audio(folder / made.name, channel="each")
        if made.tolerance < 1:
            expected = source(info.num_channels).T
            found = resample(waveform, info.sample_rate, RATE)[:, : expected.shape[1]]
            error = found - expected[:, : found.shape[1]]
            assert np.sqrt((error**2).mean()) < made.tolerance, made.name
        assert np.abs(waveform).max() > 0.2, made.name
        for start in (0, 9_999, info.num_samples - 1_000):
            part = read_waveform(folder / made.name, channel="each", start=start, num_samples=700)
            np.testing.assert_array_equal(part, waveform[:, start : start + 700])


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="the oracle is not installed")
def test_samples_are_those_of_ffmpeg(readable: list[Made], folder: Path, tmp_path: Path) -> None:
    compared = [made for made in readable if made.name not in FFMPEG_IS_WRONG]
    inputs = [word for made in compared for word in ("-i", str(folder / made.name))]
    outputs = [
        word
        for index, made in enumerate(compared)
        for word in ("-map", f"{index}:a", "-f", "f32le", str(tmp_path / made.name))
    ]
    # It calls it a failure if a file ends within a sample.
    subprocess.run(["ffmpeg", "-loglevel", "quiet", *inputs, *outputs], check=False)
    for made in compared:
        waveform, info, _ = read_audio(folder / made.name, channel="each")
        expected = np.fromfile(tmp_path / made.name, dtype=np.float32)
        assert waveform.shape[1] * info.num_channels == len(expected), made.name
        np.testing.assert_allclose(waveform.T.ravel(), expected, atol=2e-3, err_msg=made.name)


@pytest.mark.skipif(not shutil.which("sox"), reason="the oracle is not installed")
@pytest.mark.parametrize("name", ["pcm.aiff", "float.aifc", "mulaw.au", "pcm.sph"])
def test_samples_are_those_of_sox(name: str, folder: Path) -> None:
    command = ["sox", str(folder / name), "-t", "f32", "-"]
    expected = np.frombuffer(subprocess.check_output(command), dtype=np.float32)
    np.testing.assert_allclose(read_waveform(folder / name)[0], expected, atol=1e-4)


def test_data_is_prepared_trained_on_and_scored_as_it_is_read(
    files: Files, readable: list[Made], folder: Path
) -> None:
    found = scan(folder_recordings(folder))
    names = {utterance.path.name for utterance in found.utterances}
    assert names == {made.name for made in readable}
    assert len(found.problems) == len(files) - len(readable)
    config = CropsConfig(seconds=0.1, min_gain_db=0, max_gain_db=0, min_peak=0)
    for utterance in found.utterances:
        waveform = read_waveform(utterance.path)
        assert utterance.num_samples == waveform.shape[1]
        crop = Crops([utterance], config, utterance.sample_rate or 0, 0)(0, 0).waveform
        places = np.lib.stride_tricks.sliding_window_view(waveform[0], len(crop))
        assert (np.abs(places[:, :: len(crop) // 7] - crop[:: len(crop) // 7]).max(1) < 1e-6).any()
    metrics = select(["snr"])[0]
    for made in files.values():
        path = folder / made.name
        row = score_pair(PairOfFiles("x", path, path, "x"), metrics)
        assert ("seconds" in row) == (not made.fault)
        if made.fault:
            assert made.name in row["reason"]
            rows = [Utterance("x", path, "s", 40_003, RATE)]
            with pytest.raises(DataError, match=made.name):
                Crops(rows, config, RATE, 0)(0, 0)


def test_encode_takes_the_same_files_as_every_reader(
    files: Files, readable: list[Made], tiny_model_dir: Path, tmp_path: Path
) -> None:
    inputs = tmp_path / "audio"
    inputs.mkdir()
    for made in files.values():  # files of one stem would become one output
        (inputs / f"{made.name.replace('.', '_')}{Path(made.name).suffix}").write_bytes(made.data)
    options = ("--model", tiny_model_dir, "--manifest", tmp_path / "manifest")
    assert main(["encode", *map(str, (inputs, tmp_path / "codes", *options))]) == 3
    rows = [json.loads(line) for line in (tmp_path / "manifest").read_text().splitlines()]
    failed = {Path(row["source"]).name for row in rows if row["status"] == "failed"}
    assert len(rows) == len(files) and len(failed) == len(files) - len(readable)
    for made in files.values():
        name = f"{made.name.replace('.', '_')}{Path(made.name).suffix}"
        assert (name in failed) == bool(made.fault)


@pytest.mark.parametrize("name", ["cut.wav", "cut.flac", "cut.ogg", "cut.opus", "cut.mp3"])
def test_what_is_there_of_a_truncated_file_is_read_if_asked_for(
    name: str, files: Files, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    info = audio_info(folder / name, allow_truncated=True)
    assert name in caplog.text and "as far as it goes" in caplog.text
    whole = files[name].rate * 2.5 * (3 if name == "cut.opus" else 1)
    assert 0.3 * whole < info.num_samples < 0.7 * whole
    waveform = read_waveform(folder / name, allow_truncated=True)
    assert waveform.shape[1] == info.num_samples
    blocks = AudioReader(folder / name, allow_truncated=True).blocks()
    np.testing.assert_array_equal(np.concatenate(list(blocks), axis=1), waveform)


def test_an_open_file_is_read_like_one_with_a_name(files: Files, folder: Path) -> None:
    for made in files.values():
        with open(folder / made.name, "rb") as file:
            file.read(100)
            if made.fault:
                with pytest.raises(AudioError, match=f"^standard input: .*({made.fault})"):
                    read_waveform(file)
            else:
                expected = read_waveform(folder / made.name)
                np.testing.assert_array_equal(read_waveform(file), expected)
