"""Models of one codebook beside the residual one, from what their evaluations wrote.

    python local/single_page.py --rows NAME=EXPERIMENT ... --residual RESULTS \\
        --command "./run.sh ..." --output ../../docs/single_codebook

Each EXPERIMENT has `release/NAME`, `results/1/summary.json` of `codec evaluate` and, if it was
made, `results/usage.json` of `codec model usage` on unseen and on training speech; RESULTS has a
folder of `codec evaluate` for each number of stages. OUTPUT.json and OUTPUT.md are written, the
latter from the former alone.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from audiocodec.environment import commit, environment
from audiocodec.files import atomic_path
from audiocodec.models.bundle import load_codec

SCORES = ("pesq_wb", "stoi", "mel_distance", "harmonic_correlation", "dnsmos")
STAGES = ("1", "2")  # of the residual model, whose bitrates are on both sides
PAGE = """\
# One token a frame

`speech_24k_single` and its smaller siblings have one SimVQ codebook: one code a frame, 75 a
second, for language models that read one token a frame. This is what they are worth beside the
first stages of the residual model `{residual}`, on the {utterances} utterances of speech that no
model was trained on. Means; `single_codebook.json` beside this page has the intervals.

{scores}

Codes in use, of the codebook or of all stages together, and their perplexity:

{usage}

{note}

## How it was made

`{command}` on {processor}, torch {torch}. Each model starts from the encoder and decoder of
`{residual}`. Page: `python local/single_page.py` in `egs/speech` at {commit}.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rows", nargs="+", required=True, metavar="NAME=EXPERIMENT")
    parser.add_argument("--residual", type=Path, required=True, help="its results")
    parser.add_argument(
        "--model", default="speech_24k", help="name or folder, that the results are of"
    )
    parser.add_argument("--command", required=True, help="that trained the models")
    parser.add_argument("--note", default="", help="what to know of the table")
    parser.add_argument("--output", type=Path, required=True, help="without a suffix")
    args = parser.parse_args()
    rows = [residual_row(args.residual, args.model, stages) for stages in STAGES]
    for name, _, folder in (row.partition("=") for row in args.rows):
        rows.append(single_row(name, Path(folder)))
    machine = environment()
    about = {
        "command": args.command,
        "commit": commit(),
        "note": args.note,
        "processor": machine["processor"],
        "torch": machine["versions"]["torch"],
        "rows": sorted(rows, key=lambda row: float(row["bitrate"])),
    }
    write(args.output.with_suffix(".json"), json.dumps(about, indent=1) + "\n")
    write(args.output.with_suffix(".md"), page(about))


def write(path: Path, text: str) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def residual_row(results: Path, model: str, stages: str) -> dict[str, Any]:
    codec = load_codec(model)
    name = f"{Path(model).name}, {stages} of {codec.num_quantizers} stages"
    about: dict[str, Any] = {"model": name, "steps": None}
    about |= {"hash": codec.weight_hash, "bitrate": codec.bitrate(int(stages)), "megabytes": None}
    usage = read(results / "usage.json") if (results / "usage.json").exists() else None
    return about | {"scores": scores_of(results / stages), "usage": used(usage, int(stages))}


def single_row(name: str, experiment: Path) -> dict[str, Any]:
    folder = experiment / "release" / name
    codec = load_codec(folder)
    checkpoints = sorted((experiment / "checkpoints").glob("step_*"))
    size = sum(path.stat().st_size for path in folder.iterdir())
    about = {"model": name, "steps": int(checkpoints[-1].name.removeprefix("step_"))}
    about |= {"hash": codec.weight_hash, "bitrate": codec.bitrate(), "megabytes": size / 1e6}
    results = experiment / "results"
    usage = read(results / "usage.json") if (results / "usage.json").exists() else None
    return about | {"scores": scores_of(results / "1"), "usage": used(usage, 1)}


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def scores_of(folder: Path) -> dict[str, Any]:
    summary = read(folder / "summary.json")
    scored = {name: summary["metrics"][name] for name in SCORES if name in summary["metrics"]}
    return {"utterances": summary["n_utterances"], "metrics": scored}


def used(usage: dict[str, Any] | None, stages: int) -> list[dict[str, Any]]:
    """Of each set of speech, means over the stages."""
    found = []
    for name, counted in (usage or {"sets": {}})["sets"].items():
        codebooks = counted["stages"][:stages]
        found.append(
            {
                "set": name,
                "frames": counted["frames"],
                "share": sum(one["share"] for one in codebooks) / len(codebooks),
                "perplexity": sum(one["perplexity"] for one in codebooks) / len(codebooks),
            }
        )
    return found


def page(about: dict[str, Any]) -> str:
    rows = about["rows"]
    residual = next(row["model"].split(",")[0] for row in rows if row["steps"] is None)
    return PAGE.format(
        residual=residual,
        utterances=rows[0]["scores"]["utterances"],
        scores=scores_table(rows),
        usage=usage_table(rows),
        **{name: about[name] for name in ("note", "command", "commit", "processor", "torch")},
    )


def scores_table(rows: list[dict[str, Any]]) -> str:
    names = [n for n in SCORES if any(n in row["scores"]["metrics"] for row in rows)]
    lines = ["| model | kbit/s | " + " | ".join(names) + " | MB | weights |"]
    lines.append("|---|---|" + "---|" * len(names) + "---|---|")
    for row in rows:
        scored = row["scores"]["metrics"]
        means = [f"{scored[name]['mean']:.3f}" if name in scored else "-" for name in names]
        size = "" if row["megabytes"] is None else f"{row['megabytes']:.1f}"
        cells = [row["model"], f"{row['bitrate'] / 1000:.2f}", *means, size, f"`{row['hash']}`"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def usage_table(rows: list[dict[str, Any]]) -> str:
    lines = ["| model | speech | frames | used % | perplexity |", "|---|---|---|---|---|"]
    for row in rows:
        for part in row["usage"]:
            cells = [row["model"], part["set"], f"{part['frames']:,}"]
            cells += [f"{100 * part['share']:.1f}", f"{part['perplexity']:,.0f}"]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
