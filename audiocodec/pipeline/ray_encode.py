"""Shards of a corpus by actors of a Ray cluster, each with its own model."""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from audiocodec.data.stores import StoreError
from audiocodec.errors import CodecError, ModelError
from audiocodec.pipeline.corpus import Shard
from audiocodec.pipeline.notes import Notes
from audiocodec.pipeline.options import EncodeOptions
from audiocodec.pipeline.progress import Progress
from audiocodec.pipeline.ray_cluster import cluster, pack, results, room, unpack
from audiocodec.pipeline.shard_encoder import ManifestRow, ShardEncoder


def encode_on_ray(
    shards: Sequence[Shard],
    progress: Progress,
    notes: Notes,
    model: str | Path | None,
    device: str,
    options: EncodeOptions,
    model_hash: str,
) -> None:
    """Do all `shards`; each actor takes the next one when it has done one.

    Raises:
        CodecError: some are not finished, since stores did not answer or actors cannot be made.
    """
    if not shards:
        return
    gpus = options.gpus_per_actor
    cpus = options.threads or 1
    if gpus and device == "cpu":
        device = "cuda"
    own = replace(options, threads=cpus, report=False, manifest=None)
    problems = []
    with cluster(options.address, cpus * (options.actors or 1)) as ray:
        actors = min(options.actors or room(ray, cpus, gpus), len(shards))
        how = {
            "fn_constructor_args": (model, device, own, notes, model_hash, os.getcwd()),
            "compute": ray.data.ActorPoolStrategy(size=actors, max_tasks_in_flight_per_actor=1),
            "num_cpus": cpus,
            "num_gpus": gpus or None,
        }
        by_index = {shard.index: shard for shard in shards}
        for index, rows, problem in results(ray, shards, ShardActor, **how):
            if problem is not None:
                problems.append(problem)
            else:
                _tell(progress, by_index[index], rows)
    if problems:
        raise CodecError(
            f"{len(problems)} of {len(shards)} shards are not finished ({problems[0]}); run the "
            "command again to go on"
        )


def _tell(progress: Progress, shard: Shard, rows: Sequence[ManifestRow]) -> None:
    for item, row in zip(shard.items, rows, strict=True):
        if row["status"] == "done":
            progress.add(row["seconds"], item)
        else:
            progress.fail(item, CodecError(row["error"]))


class ShardActor:
    """A process of a cluster that encodes shards; `ray_cluster.results` has the calls.

    Args:
        folder: that relative paths start from.

    Raises:
        ModelError: the model is another one on this machine.
    """

    def __init__(
        self,
        model: str | Path | None,
        device: str,
        options: EncodeOptions,
        notes: Notes,
        model_hash: str,
        folder: str,
    ) -> None:
        with contextlib.suppress(OSError):  # then paths had better be absolute
            os.chdir(folder)
        self.notes, self.encoder = notes, ShardEncoder(model, device, options)
        found = self.encoder.transcoder.model_hash
        if found != model_hash:
            raise ModelError(
                f"{model}: is another model on a machine of the cluster ({found}) than where the "
                f"run was started ({model_hash})"
            )

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        made = [pack(self._encode(unpack(task))) for task in batch["task"]]
        return {"result": np.array(made, dtype=object)}

    def _encode(self, shard: Shard) -> tuple[int, list[ManifestRow], str | None]:
        """The rows of a shard that is finished, or why it is not."""
        finished = self.notes.finished([shard])  # by an actor that died before it could say so
        if shard.index in finished:
            return shard.index, finished[shard.index], None
        progress = Progress(len(shard.items), 0, report=False)
        try:
            rows = self.encoder.encode(shard, progress)
            self.notes.finish(shard, rows)
        except StoreError as error:
            return shard.index, [], str(error)
        return shard.index, rows, None
