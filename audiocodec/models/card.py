"""What a model's card says of it for programs: the block between `---` lines that opens README.md,
as on the Hugging Face hub.
"""

from dataclasses import dataclass
from pathlib import Path

import yaml

from audiocodec.models.folders import CARD_FILE

_MAX_BYTES = 1 << 16


@dataclass(frozen=True)
class Card:
    """None where the card, or its key `license`, `training_data` or `datasets`, is missing."""

    licence: str | None = None
    data: str | None = None


def read_card(folder: Path) -> Card:
    """The card of a model folder; a card that cannot be read says nothing."""
    try:
        with open(folder / CARD_FILE, "rb") as file:
            text = file.read(_MAX_BYTES).decode("utf-8", "replace")
        start, block, *_ = text.split("---\n", 2)
        values = yaml.safe_load(block) if start == "" else None
    except (OSError, ValueError, yaml.YAMLError):
        return Card()
    if not isinstance(values, dict):
        return Card()
    return Card(
        _text(values.get("license")), _text(values.get("training_data") or values.get("datasets"))
    )


def _text(value: object) -> str | None:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or None
    return None if value is None else " ".join(str(value).split())
