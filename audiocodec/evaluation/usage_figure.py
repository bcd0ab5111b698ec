"""A picture of codebook usage: how often the codes of each stage are chosen, and how evenly."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from audiocodec.extras import extra
from audiocodec.files import atomic_path


def draw_usage(path: Path, counts: Mapping[str, Sequence[np.ndarray]], caption: str) -> None:
    """Write a PNG.

    Args:
        counts: of each set, how often each code of each stage was chosen; the last set is drawn
            code by code.
    """
    with extra("web"):
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot

    figure, (curves, bars) = pyplot.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    name, stages = list(counts.items())[-1]
    for index, stage in enumerate(stages):
        chosen = np.sort(stage[stage > 0])[::-1]
        relative = chosen / max(chosen.sum(), 1) * len(stage)
        curves.loglog(
            np.arange(1, len(chosen) + 1) / len(stage), relative, label=f"stage {index + 1}"
        )
    curves.axhline(1, color="grey", linewidth=0.8, linestyle=":")
    curves.set(
        title=f"{name}: codes by frequency",
        xlabel="share of the codebook, most frequent first",
        ylabel="frequency over that of equal use",
    )
    curves.legend(fontsize="small", ncols=2)
    width = 0.8 / len(counts)
    for place, (name, stages) in enumerate(counts.items()):
        positions = np.arange(len(stages)) + place * width - 0.4 + width / 2
        used = [100 * np.mean(stage > 0) for stage in stages]
        even = [100 * _perplexity(stage) / len(stage) for stage in stages]
        colour = f"C{place}"
        bars.bar(positions, used, width, color=colour, alpha=0.35, label=f"{name}: used")
        bars.bar(positions, even, width, color=colour, label=f"{name}: perplexity")
    bars.set(title=caption, xlabel="stage", ylabel="% of the codebook", ylim=(0, 105))
    bars.set_xticks(range(len(stages)), [str(index + 1) for index in range(len(stages))])
    handles, labels = bars.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower right", fontsize="small", ncols=4)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)
    pyplot.close(figure)


def _perplexity(counts: np.ndarray) -> float:
    shares = counts[counts > 0] / max(counts.sum(), 1)
    return float(np.exp(-(shares * np.log(shares)).sum()))
