"""What a run depends on, and whether that has changed since its checkpoint was written."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from audiocodec import config as configuration
from audiocodec.data.data_dir import Utterance
from audiocodec.errors import ConfigError
from audiocodec.registry import current_kind
from audiocodec.training.config import TrainConfig

# Options that a run may go on with other values of: they change no step that is done.
FREE: tuple[str, ...] = (
    "steps",
    "log_every",
    "save_every",
    "validate_every",
    "validation_utterances",
    "validation_metrics",
    "best",
)
FREE += ("keep_checkpoints", "guard", "accumulation", "compile")


def data_fingerprint(utterances: Iterable[Utterance]) -> str:
    """16 hexadecimal digits that name a list of utterances: ids, lengths, rates, speakers, order.

    Paths do not count, so that a corpus may move.
    """
    digest = hashlib.sha256()
    for u in utterances:
        line = f"{u.id}\t{u.num_samples}\t{u.sample_rate}\t{u.speaker}\n"
        digest.update(line.encode(errors="surrogateescape"))  # of files' names in other encodings
    return digest.hexdigest()[:16]


def describe_run(
    config: TrainConfig, train: Iterable[Utterance], valid: Iterable[Utterance], processes: int
) -> dict[str, Any]:
    """Everything that decides what a run computes, as a tree of plain values."""
    tree = configuration.to_dict(config)
    tree["batch_size"] *= processes  # 2 processes of 8 are 1 of 16
    data = {"train": data_fingerprint(train), "valid": data_fingerprint(valid)}
    return {**tree, "data": data}


def refuse_changes(old: Mapping[str, Any], new: Mapping[str, Any], allowed: bool) -> str:
    """What has changed between two runs, "" if nothing.

    Raises:
        ConfigError: something has, and it was not `allowed`.
    """
    kept = [{k: v for k, v in tree.items() if k not in FREE} for tree in (old, new)]
    changes = tree_changes(*kept)
    if changes and not allowed:
        raise ConfigError(
            f"this run's checkpoint was made with other options or data ({changes}); use those, "
            "another --output, or --allow-changes to resume anyway"
        )
    return changes


def tree_changes(old: Any, new: Any) -> str:
    """Where two trees of options differ, as `a.b: 1 -> 2, ...`."""
    flat_old, flat_new = flatten(old), flatten(new)
    names = [n for n in {**flat_old, **flat_new} if flat_old.get(n) != flat_new.get(n)]
    return ", ".join(f"{n}: {flat_old.get(n)} -> {flat_new.get(n)}" for n in names)


def flatten(tree: Any, where: str = "") -> dict[str, Any]:
    """Leaves of mappings and of lists of mappings by their dotted names; kinds by present names."""
    if isinstance(tree, Mapping):
        items = [(f"{where}.{key}" if where else str(key), value) for key, value in tree.items()]
    elif isinstance(tree, list) and any(isinstance(item, Mapping) for item in tree):
        items = [(f"{where}.{index}", value) for index, value in enumerate(tree)]
    elif where.endswith(".kind"):
        return {where: current_kind(tree)}
    else:
        return {where: tree}
    flat: dict[str, Any] = {}
    for name, value in items:
        flat |= flatten(value, name)
    return flat
