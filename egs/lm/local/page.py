"""The page of figures, from perplexity.json alone."""

from pathlib import Path
from typing import Any

from language_model import LMConfig

from audiocodec.environment import commit
from audiocodec.files import atomic_path

NAMES = {
    "uniform": "equal chances",
    "unigram": "unigrams",
    "bigram": "bigrams",
    "model": "language model",
}


def write_readme(path: Path, report: dict[str, Any], config: LMConfig, command: str) -> None:
    """Markdown."""
    stages = list(report["perplexity"]["model"])
    lines = ["# A language model of tokens", ""]
    lines += ["Perplexity of the codes of recordings that were held out, and bits a second:", ""]
    lines += ["| | " + " | ".join(stages) + " | bit/s |", "|---" * (len(stages) + 2) + "|"]
    for name, title in NAMES.items():
        values = [*report["perplexity"][name].values(), report["bits_per_second"][name]]
        lines.append(f"| {title} | " + " | ".join(f"{value:.0f}" for value in values) + " |")
    frames = report["frames"]
    lines += [
        "",
        f"Trained on {frames['train']:,} frames, measured on {frames['valid']:,}; "
        f"{report['parameters']:,} parameters, pattern {config.pattern}, {config.steps} steps.",
        "[listen.html](listen.html) has prompts, their own continuations, and the model's.",
        "",
        f"`{command.strip()}` at {commit()}.",
        "",
    ]
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join(lines), encoding="utf-8")
