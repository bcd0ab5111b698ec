"""One shard of a corpus: read, encode, write, whole or not at all. Every engine calls this."""

from typing import Any

from audiocodec.codes import Coded
from audiocodec.containers.shards import describe, writer
from audiocodec.data import stores
from audiocodec.pipeline import batch, models
from audiocodec.pipeline.corpus import Shard
from audiocodec.pipeline.encoding import batch_seconds, encoding, load_encoder
from audiocodec.pipeline.labels import row_of
from audiocodec.pipeline.options import EncodeOptions
from audiocodec.pipeline.paths import Item
from audiocodec.pipeline.progress import Outcomes, Progress

ManifestRow = dict[str, Any]


class ShardEncoder:
    """A model that turns shards of audio into shards of codes."""

    def __init__(self, model: models.ModelName, device: str, options: EncodeOptions) -> None:
        self.device, self.options = device, options
        self.transcoder = load_encoder(model, device, options)
        self.write = writer(options.format)[1]
        with models.model_workers(self.transcoder.codec, options, device, single=False):
            self.batch_seconds = batch_seconds(self.transcoder, device, options)

    def encode(self, shard: Shard, progress: Progress) -> list[ManifestRow]:
        """Write the shard and tell `progress` of each item; the rows of the manifest.

        A shard without a single good recording is not written.

        Raises:
            StoreError: a store did not answer; the shard has not been written.
        """
        coded: dict[Item, Coded] = {}
        unreachable: list[stores.StoreError] = []

        def keep(item: Item, result: Coded) -> None:
            coded[item] = result

        pipeline = encoding(self.transcoder, self.options, keep, unreachable.append)
        codec = self.transcoder.codec
        with models.model_workers(codec, self.options, self.device, single=False) as workers:
            batch.run_items(
                shard.items, pipeline, self.options, progress, self.batch_seconds, workers
            )
        if unreachable:
            raise unreachable[0]
        pairs = [(item, coded[item]) for item in shard.items if item in coded]
        if pairs:
            flat = self.options.flatten
            rows = [row_of(item, *result, flat) for item, result in pairs]
            with stores.output(shard.target) as path:
                self.write(path, rows, describe(pairs[0][1].metadata))
        return manifest_rows(shard, progress.outcomes)


def manifest_rows(shard: Shard, outcomes: Outcomes) -> list[ManifestRow]:
    """What became of each item; those without an outcome were left as they are."""
    left: ManifestRow = {}
    rows = []
    for item in shard.items:
        names = {"id": item.name, "source": item.where, "output": shard.target}
        outcome = outcomes.get(item)
        if outcome is None:
            left = left or {"status": "there" if stores.is_file(shard.target) else "missing"}
        rows.append(names | (outcome or left))
    return rows
