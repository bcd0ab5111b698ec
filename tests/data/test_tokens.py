"""Batches of tokens: every frame once an epoch, the same for any readers, restart, processes."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from audiocodec import TokenBatch, TokenDataset
from audiocodec.codes import CodesMetadata
from audiocodec.containers.shards import FORMATS, Row, describe
from audiocodec.errors import CodeFileError, ConfigError, DataError
from audiocodec.patterns import CoarseFirst

SIZES = (50, 40, 30)
HOP = 320
ROWS = [12, 1, 30, 7, 25, 3, 10, 18, 2, 40, 11]  # frames of the rows, over three shards
SHARDS = [ROWS[:4], ROWS[4:9], ROWS[9:]]


def metadata(frames: int = 1, digest: str = "0" * 16) -> CodesMetadata:
    samples = frames * HOP - 5
    return CodesMetadata("tiny", digest, 24_000, HOP, SIZES, samples, 24_000, samples, 1)


def codes_of(index: int, frames: int) -> np.ndarray:
    high = np.array(SIZES)[:, None]
    return np.random.default_rng(index).integers(0, high, (3, frames)).astype("u1")


@pytest.fixture(scope="module", params=["parquet", "webdataset"])
def shards(request, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    suffix, write = FORMATS[request.param]
    index = 0
    for number, lengths in enumerate(SHARDS):
        rows = []
        for frames in lengths:
            codes = codes_of(index, frames)
            rows.append(Row(f"utt-{index}", "ada", codes, frames * HOP - 5, text=f"text {index}"))
            index += 1
        write(folder / f"{number}{suffix}", rows, describe(metadata()))
    return folder


def plain(batches) -> list[tuple]:
    return [
        (batch.tokens.tolist(), [row.id for row in batch.rows], batch.frames.tolist())
        for batch in batches
    ]


def covered(batches: list[TokenBatch]) -> Counter:
    """How often each frame of each recording occurs."""
    return Counter(
        (row.id, frame)
        for batch in batches
        for row, (start, stop) in zip(batch.rows, batch.frames.tolist(), strict=True)
        for frame in range(start, stop)
    )


@pytest.mark.parametrize("seed", [0, None])
@pytest.mark.parametrize("frames", [None, 8])
def test_an_epoch_has_every_frame_once(shards, frames, seed):
    for epochs in (1, 3):
        dataset = TokenDataset(
            shards, "parallel", batch_size=4, frames=frames, seed=seed, epochs=epochs, pool=2
        )
        counts = covered(list(dataset))
        expected = {(f"utt-{i}", t) for i, length in enumerate(ROWS) for t in range(length)}
        assert counts == dict.fromkeys(expected, epochs)


@pytest.mark.parametrize("pattern", ["flattened", "delayed", "coarse_first", "parallel"])
def test_tokens_are_those_of_the_codes(shards, pattern):
    dataset = TokenDataset(shards, pattern, batch_size=3, frames=9, num_quantizers=2, epochs=2)
    for batch in dataset:
        for tokens, row, (start, stop) in zip(*batch[:2], batch.frames.tolist(), strict=True):
            index = int(row.id.split("-")[1])
            assert (row.speaker, row.text) == ("ada", f"text {index}")
            codes = torch.from_numpy(codes_of(index, ROWS[index])[:2].astype(int))
            assert torch.equal(dataset.pattern.invert(tokens), codes[:, start:stop])
            assert ((tokens == dataset.pattern.bos).any()) == (start == 0)
            assert ((tokens == dataset.pattern.eos).any()) == (stop == ROWS[index])
            assert stop - start <= 9


def test_the_order_is_another_one_in_each_epoch_and_for_each_seed(shards):
    runs = [
        plain(TokenDataset(shards, batch_size=64, frames=8, seed=seed, epochs=2, pool=9))
        for seed in (0, 0, 1)
    ]
    assert runs[0] == runs[1] != runs[2]
    whole = plain(TokenDataset(shards, batch_size=11, epochs=2, pool=9))
    assert len(whole) == 2 and whole[0][1] != whole[1][1] and set(whole[0][1]) == set(whole[1][1])
    in_order = plain(TokenDataset(shards, batch_size=11, seed=None, epochs=1))
    assert in_order[0][1] == [f"utt-{i}" for i in range(11)]


OPTIONS = {"batch_size": 3, "frames": 8, "epochs": 2, "pool": 2}


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # more than there are cores
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_any_number_of_readers_gives_the_same_batches(shards, workers):
    dataset = TokenDataset(shards, "delayed", start=2, **OPTIONS)
    loader = DataLoader(dataset, batch_size=None, num_workers=workers)
    assert plain(loader) == plain(dataset)


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_processes_take_turns(shards, rank):
    every = plain(TokenDataset(shards, **OPTIONS))
    own = TokenDataset(shards, rank=rank, world_size=3, **OPTIONS)
    assert plain(own) == every[rank::3]


@pytest.mark.parametrize("start", [0, 1, 7, 14, 1000])
def test_going_on_is_not_having_stopped(shards, start):
    every = plain(TokenDataset(shards, rank=1, world_size=2, **OPTIONS))
    later = TokenDataset(shards, rank=1, world_size=2, start=start, **OPTIONS)
    assert plain(later) == every[start:]


def test_without_an_end_epochs_follow_one_another(shards):
    endless = iter(TokenDataset(shards, batch_size=4))
    found = [next(endless) for _ in range(11)]
    assert set(covered(found).values()) == {4}  # 44 rows are four epochs


def test_a_pattern_of_ones_own_is_a_function_of_the_sizes(shards):
    dataset = TokenDataset(shards, lambda sizes: CoarseFirst(sizes, first=100, groups=[1, 2]))
    assert dataset.pattern.vocabulary_size == 100 + sum(SIZES) + 3
    assert int(next(iter(dataset)).tokens.min()) >= 100


def test_bad_rows_are_left_out_with_a_warning_and_bad_codes_stop(tmp_path, caplog):
    codes = codes_of(0, 10)
    good = Row("good", None, codes, 10 * HOP)
    path = tmp_path / "a.parquet"
    FORMATS["parquet"][1](path, [good, Row("", None, codes, 5)], describe(metadata()))
    batches = list(TokenDataset(path, epochs=1))
    assert [row.id for batch in batches for row in batch.rows] == ["good"]
    assert "row 1 has no id" in caplog.text
    bad = Row("bad", None, codes + 45, 10 * HOP)
    FORMATS["parquet"][1](path, [bad], describe(metadata()))
    with pytest.raises(CodeFileError, match=r"row 0 \(bad\): stage"):
        list(TokenDataset(path, epochs=1))
    FORMATS["parquet"][1](path, [Row("", None, codes, 5)], describe(metadata()))
    with pytest.raises(DataError, match="no row that can be read"):
        list(TokenDataset(path))


def test_what_does_not_go_together_is_refused(shards, tmp_path):
    row = Row("a", None, codes_of(0, 4), 4 * HOP)
    for name, digest in (("a", "0" * 16), ("b", "1" * 16)):
        FORMATS["parquet"][1](tmp_path / f"{name}.parquet", [row], describe(metadata(1, digest)))
    with pytest.raises(DataError, match="cannot be mixed"):
        list(TokenDataset(tmp_path, epochs=1))
    for options in ({"batch_size": 0}, {"num_quantizers": 4}, {"rank": 2, "world_size": 2}):
        with pytest.raises(ConfigError):
            TokenDataset(shards, **options)
    with pytest.raises(ConfigError, match="unknown pattern"):
        TokenDataset(shards, "zigzag")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"no \.parquet \.tar file"):
        TokenDataset(tmp_path / "empty")
