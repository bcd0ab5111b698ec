from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from audiocodec.audio import write_waveform
from audiocodec.data.crops import Crops, CropsConfig
from audiocodec.data.data_dir import Utterance
from audiocodec.data.loader import CropLoader
from audiocodec.errors import ConfigError, DataError

RATE = 8_000
PLAIN = CropsConfig(seconds=0.1, min_gain_db=0.0, max_gain_db=0.0)


def utterance(folder: Path, name: str, waveform: np.ndarray, rate: int = RATE) -> Utterance:
    write_waveform(folder / f"{name}.wav", waveform, rate, subtype="FLOAT")
    return Utterance(name, folder / f"{name}.wav", name, waveform.shape[-1], rate)


def noise(seconds: float, rate: int = RATE, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.uniform(-0.5, 0.5, int(seconds * rate)).astype(np.float32)


def test_a_crop_is_a_function_of_seed_step_and_index(tmp_path):
    rows = [utterance(tmp_path, "a", noise(2)), utterance(tmp_path, "b", noise(3, seed=1))]
    first, again = Crops(rows, PLAIN, RATE, seed=7), Crops(rows, PLAIN, RATE, seed=7)
    reference = first(5, 3).waveform
    again(4, 0), again(5, 2)
    np.testing.assert_array_equal(again(5, 3).waveform, reference)
    others = [first(5, 4), first(6, 3), Crops(rows, PLAIN, RATE, seed=8)(5, 3)]
    assert all(not np.array_equal(other.waveform, reference) for other in others)


def test_every_second_of_audio_is_equally_likely(tmp_path):
    rows = [utterance(tmp_path, "short", noise(1)), utterance(tmp_path, "long", noise(4))]
    crops = Crops(rows, PLAIN, RATE, seed=0)
    share = np.mean([crops(0, index).utterance_id == "long" for index in range(400)])
    assert share == pytest.approx(0.8, abs=0.08)


def test_the_speaker_exponent_moves_shares_from_long_to_all_speakers(tmp_path):
    rows = [utterance(tmp_path, "short", noise(1)), utterance(tmp_path, "long", noise(4))]
    for exponent, expected in ((0.0, 0.5), (0.5, 2 / 3)):
        config = replace(PLAIN, speaker_exponent=exponent)
        crops = Crops(rows, config, RATE, seed=0)
        share = np.mean([crops(0, index).utterance_id == "long" for index in range(400)])
        assert share == pytest.approx(expected, abs=0.08)


@pytest.mark.parametrize("stated", [22_050, None])
def test_a_resampled_crop_is_a_part_of_the_resampled_whole(stated, tmp_path):
    time = np.arange(22_050 * 3) / 22_050
    tone = utterance(tmp_path, "x", 0.5 * np.sin(2 * np.pi * 1000 * time), 22_050)
    crops = Crops([replace(tone, sample_rate=stated)], PLAIN, RATE, seed=0)
    phase = 2 * np.pi * 1000 * np.arange(800) / RATE
    basis = np.stack([np.sin(phase), np.cos(phase)], axis=1)
    for step in range(20):  # nothing but the tone, up to the ends: no trace of the filter's start
        waveform = crops(step, 0).waveform
        weights = np.linalg.lstsq(basis, waveform, rcond=None)[0]
        assert np.linalg.norm(weights) == pytest.approx(0.5, abs=1e-3)
        np.testing.assert_allclose(basis @ weights, waveform, atol=1e-3)


def test_a_crop_of_another_rate_is_resampled_and_a_short_one_ends_in_zeros(tmp_path):
    time = np.arange(22_050 * 2) / 22_050
    crops = Crops(
        [utterance(tmp_path, "x", 0.5 * np.sin(2 * np.pi * 1000 * time), 22_050)],
        PLAIN,
        RATE,
        seed=0,
    )
    spectrum = np.abs(np.fft.rfft(crops(0, 0).waveform))
    assert spectrum.argmax() == 100  # 1000 Hz in bins of 10 Hz
    short = Crops([utterance(tmp_path, "y", noise(0.05))], PLAIN, RATE, seed=0)(0, 0).waveform
    assert short.shape == (800,) and np.abs(short[:400]).max() > 0 and not short[400:].any()


def test_gain_is_in_its_range_and_never_clips(tmp_path):
    rows = [utterance(tmp_path, "x", np.full(RATE, 0.5, np.float32))]
    config = CropsConfig(seconds=0.1, min_gain_db=-20.0, max_gain_db=20.0)
    peaks = [Crops(rows, config, RATE, seed=0)(step, 0).waveform.max() for step in range(60)]
    assert min(peaks) >= 0.05 * 0.999 and max(peaks) <= 1.0
    assert max(peaks) > 0.9 and min(peaks) < 0.1


def test_silent_crops_are_drawn_again_and_unreadable_files_are_left_out(tmp_path):
    half_silent = np.concatenate([np.zeros(RATE * 2, np.float32), noise(6)])
    broken = utterance(tmp_path, "broken", noise(2))
    broken.path.write_bytes(b"no audio")
    rows = [utterance(tmp_path, "x", half_silent), broken]
    crops = Crops(rows, PLAIN, RATE, seed=0)
    drawn = [crops(step, 0) for step in range(50)]
    assert all(crop.waveform.any() for crop in drawn)
    assert {crop.utterance_id for crop in drawn} == {"x"}
    (warning,) = (warning for crop in drawn for warning in crop.warnings)
    assert warning[:2] == ("broken", "unreadable") and "broken.wav" in warning.text


@pytest.mark.parametrize("workers", [0, 2])
def test_bad_files_are_named_once_whichever_reader_meets_them(workers, tmp_path, caplog):
    """A pause is no fault, and neither is one loud sample."""
    peak, clipped = noise(1, seed=2), np.clip(4 * noise(1, seed=3), -1, 1)
    peak[100] = 1.0
    rows = [
        utterance(tmp_path, "pause", np.concatenate([np.zeros(RATE, np.float32), noise(1)])),
        utterance(tmp_path, "peak", peak),
        utterance(tmp_path, "silent", np.zeros(2 * RATE, np.float32)),
        utterance(tmp_path, "clipped", clipped),
        utterance(tmp_path, "broken", noise(1)),
    ]
    rows[-1].path.write_bytes(b"no audio")
    settings = {"sample_rate": RATE, "batch_size": 8, "seed": 0, "start": 0, "stop": 12}
    reported: set[tuple[str, str]] = set()
    for _ in range(2):  # as after a return to a checkpoint
        list(CropLoader(rows, PLAIN, **settings, workers=workers, reported=reported))
    lines = sorted(record.getMessage() for record in caplog.records)
    assert [line.split(";")[0].partition(" of ")[0] for line in lines] == [
        f"broken is left out: {rows[-1].path}: not readable as audio: neither "
        "libsndfile nor ffmpeg knows its format",
        f"clipped is clipped: {lines[1].split()[3]}",
        "silent is silent from beginning to end",
    ]


def test_batches_tell_how_high_their_files_go(tmp_path):
    high = utterance(tmp_path, "high", noise(1, 2 * RATE), 2 * RATE)
    low = utterance(tmp_path, "low", noise(1, RATE // 2), RATE // 2)
    settings = {"sample_rate": RATE, "batch_size": 4, "seed": 0, "start": 0, "stop": 4}
    assert all(batch.bandwidth is None for batch in CropLoader([high], PLAIN, **settings))
    for batch in CropLoader([high, low], PLAIN, **settings):
        expected = [RATE / 2 if name == "high" else RATE / 4 for name in batch.utterance_ids]
        assert batch.bandwidth is not None and batch.bandwidth.tolist() == expected


def test_nothing_to_read_is_an_error(tmp_path):
    broken = utterance(tmp_path, "broken", noise(1))
    broken.path.write_bytes(b"no audio")
    with pytest.raises(DataError, match="data validate"):
        Crops([broken], PLAIN, RATE, seed=0)(0, 0)
    with pytest.raises(DataError, match="no utterances"):
        Crops([], PLAIN, RATE, seed=0)


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_and_processes_do_not_change_the_batches(workers, tmp_path):
    rows = [utterance(tmp_path, "x", noise(2))]

    def batches(start: int, batch_size: int, rank: int, workers: int = 0) -> list[torch.Tensor]:
        loader = CropLoader(
            rows,
            PLAIN,
            sample_rate=RATE,
            batch_size=batch_size,
            seed=0,
            start=start,
            stop=6,
            rank=rank,
            workers=workers,
        )
        return [batch.waveform for batch in loader]

    whole = batches(0, 4, 0)
    assert torch.equal(torch.stack(batches(0, 4, 0, workers)), torch.stack(whole))
    assert torch.equal(torch.stack(batches(4, 4, 0, workers)), torch.stack(whole[4:]))
    halves = [torch.cat(pair) for pair in zip(batches(0, 2, 0), batches(0, 2, 1), strict=True)]
    assert torch.equal(torch.stack(halves), torch.stack(whole))


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"sample_rate": 16_000}, "is at 8000 Hz, not at 16000"),
        ({"num_samples": 2 * RATE + 1}, "has 16000 samples, not the 16001"),
    ],
)
def test_a_file_that_is_not_what_its_table_says_is_left_out(wrong, text, tmp_path):
    row = replace(utterance(tmp_path, "a", noise(2)), **wrong)
    with pytest.raises(DataError, match=text):
        Crops([row], PLAIN, RATE, seed=0)(0, 0)


def test_files_drawn_alike_do_not_depend_on_their_length(tmp_path):
    rows = [utterance(tmp_path, "long", noise(20)), utterance(tmp_path, "short", noise(0.2))]
    crops = Crops(rows, replace(PLAIN, draw="file"), RATE, seed=0)
    names = [crops(0, index).utterance_id for index in range(200)]
    assert 70 < names.count("short") < 130
    with pytest.raises(ConfigError, match="speaker_exponent"):
        CropsConfig(draw="file", speaker_exponent=0.5)


def test_a_short_file_is_repeated_where_that_is_asked_for(tmp_path):
    short = noise(0.04)
    rows = [utterance(tmp_path, "short", short)]
    crop = Crops(rows, replace(PLAIN, short="repeat"), RATE, seed=0)(0, 0).waveform
    np.testing.assert_array_equal(crop, np.concatenate([short, short, short[:160]]))
