"""What a model is, for people who choose one."""

from pathlib import Path
from typing import Any

from audiocodec.entropy.model import TABLES_FILE
from audiocodec.models.base import AnyCodec
from audiocodec.models.card import read_card
from audiocodec.models.folders import WEIGHTS_FILE, has_graphs


def describe(codec: AnyCodec, folder: Path) -> dict[str, Any]:
    """Names and plain values: where the model lies, its rates, bitrates, latency and licence.

    The latency is None for a model that cannot stream.
    """
    card = read_card(folder)
    latency = codec.latency_samples
    stages = range(1, codec.num_quantizers + 1)
    return {
        "model": codec.name,
        "hash": codec.weight_hash,
        "folder": str(folder),
        "file_bytes": (folder / WEIGHTS_FILE).stat().st_size,
        "graphs": "yes" if has_graphs(folder) else "no",
        "entropy_tables": "yes" if (folder / TABLES_FILE).is_file() else "no",
        "licence": card.licence,
        "data": card.data,
        "sample_rate": codec.sample_rate,
        "hop_length": codec.hop_length,
        "frame_rate": codec.frame_rate,
        "codebook_sizes": list(codec.codebook_sizes),
        "bitrates": {f"{n} quantizers": round(codec.bitrate(n), 3) for n in stages},
        "streams": "no" if latency is None else "yes",
        "latency_samples": latency,
        "latency_ms": None if latency is None else 1000 * latency / codec.sample_rate,
    }


def latency_text(latency_ms: float | None) -> str:
    """The latency for people."""
    return "cannot stream" if latency_ms is None else f"{latency_ms:.0f} ms"
