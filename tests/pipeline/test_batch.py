"""Files in batches: everyone has work, and the batch of a CPU suits its caches."""

import argparse
from pathlib import Path
from threading import Barrier

import pytest

from audiocodec.pipeline.batch import Pipeline, run_items
from audiocodec.pipeline.paths import Item
from audiocodec.pipeline.progress import Progress
from tests.conftest import build_codec


def numbered(count):
    return [Item(str(n), Path(str(n)), Path(str(n))) for n in range(count)]


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_a_few_short_files_keep_every_worker_busy(workers):
    items = numbered(2 * workers)
    together, saved = Barrier(workers, timeout=10), []

    def compute(batch):
        together.wait()  # breaks unless all workers are here at once
        return batch

    pipeline = Pipeline(
        lambda item: item.name, compute, lambda item, _: saved.append(item), lambda _: 1.0
    )
    progress = Progress(len(items), 0)
    run_items(items, pipeline, argparse.Namespace(jobs=2), progress, 1000, workers)
    assert sorted(item.name for item in saved) == sorted(item.name for item in items)
    assert {outcome["status"] for outcome in progress.outcomes.values()} == {"done"}


def test_batches_hold_similar_lengths_and_no_more_padded_than_asked():
    lengths = [3.0, 9.0, 1.0, 2.0, 8.0, 30.0, 2.0, 1.0]
    items = numbered(len(lengths))
    batches = []
    pipeline = Pipeline(
        lambda item: lengths[int(item.name)],
        lambda batch: batches.append(list(batch)) or batch,
        lambda *_: None,
        lambda length: length,
    )
    run_items(items, pipeline, argparse.Namespace(jobs=1), Progress(len(items), 0), 10)
    assert batches == [[30.0], [9.0], [8.0], [3.0, 2.0, 2.0], [1.0, 1.0]]


def test_a_model_at_the_sample_rate_gets_shorter_batches():
    seanet = {"kind": "seanet", "n_filters": 4, "ratios": [8, 5, 4, 2]}
    narrow = build_codec(encoder=seanet).batch_seconds()
    assert narrow == pytest.approx(2**20 / (24_000 * 4))  # the outputs of its first layer
    wide = build_codec(encoder=seanet | {"n_filters": 8}).batch_seconds()
    assert wide == pytest.approx(narrow / 2)
    assert build_codec().batch_seconds() == 32  # the most
