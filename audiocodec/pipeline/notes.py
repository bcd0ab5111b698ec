"""Notes of a run beside its shards: what it makes, and which shards are finished, with what rows.

`OUT/.codec/plan.json` says what makes up the run; another run is refused. `OUT/.codec/NNNNN.jsonl`
has the rows of the manifest of a finished shard and is written after the shard: a kill between the
two costs that shard's time and nothing else. Whoever sees that all are finished writes
`OUT/.codec/manifest.jsonl`, all rows in order.
"""

import contextlib
import json
from collections.abc import Sequence
from typing import Any

from audiocodec.data import stores
from audiocodec.errors import ConfigError, DataError
from audiocodec.pipeline.corpus import Corpus, Shard
from audiocodec.pipeline.options import EncodeOptions
from audiocodec.pipeline.shard_encoder import ManifestRow

FOLDER = ".codec"
_PLAN, _MANIFEST = "plan.json", "manifest.jsonl"
_SETTINGS = (
    *("format", "num_quantizers", "beams", "channel", "allow_truncated", "run_commands"),
    *("shard_size", "shard_hours", "flatten"),
)


def plan_of(corpus: Corpus, options: EncodeOptions, model: str, model_hash: str) -> dict[str, Any]:
    """Everything that the shards depend on, as JSON has it."""
    return {
        "model": model,
        "model_hash": model_hash,
        **{name: getattr(options, name) for name in _SETTINGS},
        "shards": len(corpus.shards),
        "utterances": sum(len(shard.items) for shard in corpus.shards),
        "inputs": corpus.digest(),
    }


class Notes:
    """The notes of the run of a corpus; may be sent to other processes."""

    def __init__(self, corpus_output: str) -> None:
        self.output = corpus_output
        self.folder = stores.join(corpus_output, FOLDER)

    def begin(self, plan: dict[str, Any]) -> None:
        """Write the plan, or go on with one that is the same.

        Raises:
            ConfigError: the folder has the shards of another run.
        """
        path = stores.join(self.folder, _PLAN)
        if not stores.is_file(path):
            stores.write_bytes(path, (json.dumps(plan, indent=1) + "\n").encode())
            return
        try:
            former = {"beams": 1} | json.loads(stores.read_bytes(path))  # as before there were any
        except (ValueError, TypeError):
            former = {}
        differing = [name for name in plan if former.get(name) != plan[name]]
        if differing:
            values = ", ".join(f"{name} {former.get(name)}, not {plan[name]}" for name in differing)
            raise ConfigError(
                f"{self.output}: has shards of another run ({values}); encode to another folder, "
                f"or remove this one"
            )

    def finished(self, shards: Sequence[Shard]) -> dict[int, list[ManifestRow]]:
        """The rows of the shards that are finished, by their numbers."""
        noted, there = stores.names_in(self.folder), stores.names_in(self.output)
        found = {}
        for shard in shards:
            if _name(shard) in noted:
                rows = self._rows(shard)
                missing = stores.last(shard.target) not in there
                if rows is not None and not (missing and any(map(_is_done, rows))):
                    found[shard.index] = rows
        return found

    def finish(self, shard: Shard, rows: Sequence[ManifestRow]) -> None:
        """Note that a shard has been written."""
        stores.write_bytes(stores.join(self.folder, _name(shard)), as_lines(rows))

    def merge(self, corpus: Corpus) -> bool:
        """Write the manifest if all shards are finished."""
        finished = self.finished(corpus.shards)
        if len(finished) < len(corpus.shards):
            return False
        text = b"".join(as_lines(finished[shard.index]) for shard in corpus.shards)
        stores.write_bytes(stores.join(self.folder, _MANIFEST), text)
        self._sweep(corpus.shards)
        return True

    def _rows(self, shard: Shard) -> list[ManifestRow] | None:
        """The rows of a finished shard; None if they are not these items'."""
        try:
            text = stores.read_bytes(stores.join(self.folder, _name(shard)))
            rows = [json.loads(line) for line in text.splitlines()]
        except (DataError, ValueError):
            return None
        return rows if len(rows) == len(shard.items) else None

    def _sweep(self, shards: Sequence[Shard]) -> None:
        """Remove what killed processes were writing; files of a store are whole or absent."""
        if stores.is_url(self.output):
            return
        for folder in (stores.local_path(self.output), stores.local_path(self.folder)):
            for path in folder.glob(".*.tmp.*"):
                with contextlib.suppress(OSError):
                    path.unlink()


def as_lines(rows: Sequence[ManifestRow]) -> bytes:
    """Rows as lines of JSON; what is no text in a name is an escape, as in `write_manifest`."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return text.encode("utf-8", "backslashreplace")


def _name(shard: Shard) -> str:
    return f"{shard.index:05d}.jsonl"


def _is_done(row: ManifestRow) -> bool:
    return bool(row["status"] == "done")
