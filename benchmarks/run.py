"""Run the benchmarks, keep what they print in docs/benchmarks/, and write docs/benchmarks.md.

make bench                                      # all of them
python benchmarks/run.py search memory          # these; the others as they stand
python benchmarks/run.py --page                 # measure nothing, write the page again
"""

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from tables import as_markdown, environment_line

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "benchmarks.md"
RESULTS = ROOT / "docs" / "benchmarks"
INTRODUCTION = """# Benchmarks

Written by `make bench`. Compare the ratios within one run; absolute figures belong to the machine
that each section names, and other work on that machine changes whatever is measured in wall time.
The JSON files beside this page have every digit."""
QUESTIONS = {
    "speed": (
        "How fast is the shipped model on one thread?",
        "codec bench --threads 1 --json",
    ),
    "core_install": (
        "How large is an installation that encodes and decodes, and how soon has it done a short "
        "file?",
        "python benchmarks/core_install.py",
    ),
    "page": (
        "How fast is the shipped model in a browser?",
        "python benchmarks/page.py",
    ),
    "runtimes": (
        "What do PyTorch and the graphs cost to start, for whole files and for a block of a "
        "stream?",
        "python benchmarks/runtimes.py",
    ),
    "memory": (
        "Does memory grow with the length of a file?",
        "python benchmarks/memory.py",
    ),
    "folder": (
        "What does encoding a folder gain over encoding file by file, and what does it cost beyond "
        "the model?",
        "python benchmarks/folder.py",
    ),
    "entropy": (
        "How much smaller are entropy-coded files, and how long do they take?",
        "python benchmarks/entropy.py",
    ),
    "what_is_missing": (
        "What keeps the shipped model from sounding like the original?",
        "python benchmarks/what_is_missing.py",
    ),
    "evaluation": (
        "Does scoring scale with processes, and what does it cost beyond the metric libraries?",
        "python benchmarks/evaluation.py",
    ),
    "evaluation_memory": (
        "Does memory grow with the number of scored pairs?",
        "python benchmarks/evaluation_memory.py",
    ),
    "training": (
        "How fast is training, where does the time go, and how much of that is due to the code?",
        "python benchmarks/training.py",
    ),
    "losses": (
        "What do losses and discriminators cost in a training step (ms)?",
        "python benchmarks/losses.py",
    ),
    "training_cost": (
        "What will training cost on GPUs? (an estimate)",
        "python benchmarks/training_cost.py",
    ),
    "search": (
        "How fast is the search for the nearest of many codes, and how much memory does it take?",
        "python benchmarks/search.py",
    ),
    "codebook_start": (
        "How many codes are in use after a start from data, compared with plain vector "
        "quantization?",
        "python benchmarks/codebook_start.py",
    ),
    "encodec": (
        "How much faster than EnCodec is it, on one thread and on two?",
        "python benchmarks/peers.py --against encodec --repeats 5",
    ),
    "peers": (
        "How fast is it beside other codecs, and what do they cost?",
        "python benchmarks/peers.py",
    ),
    "toy": (
        "Which codes learn, in the plane?",
        "python benchmarks/toy.py",
    ),
    "large_codebook": (
        "Does a codebook of 262144 codes train within 8 GB?",
        "python benchmarks/large_codebook.py",
    ),
}
RECORDED = {  # on the page, but not run from here: it needs hours of speech
    "same_codes": (
        "Are codes the same whatever computes them, however a signal is cut?",
        "python benchmarks/same_codes.py SPEECH --work DIR --output JSON",
    ),
    "margin": (
        "How close does rounding come to the margin in sounds that it was not measured on?",
        "python benchmarks/margin.py SPEECH",
    ),
    "beams": (
        "What does a beam search gain at each bitrate, and what does it cost?",
        "python benchmarks/beams.py SPEECH --files 26",
    ),
    "int8": (
        "What does decoding in integers of 8 bits gain, and what does it cost?",
        "python benchmarks/int8.py SPEECH",
    ),
}


def main() -> None:
    arguments = sys.argv[1:]
    names = [] if arguments == ["--page"] else arguments or list(QUESTIONS)
    if unknown := sorted(set(names) - QUESTIONS.keys()):
        sys.exit(f"no benchmark {unknown[0]!r}; there are {', '.join(QUESTIONS)}")
    for name in names:
        report = measure(QUESTIONS[name][1])
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.json").write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    PAGE.write_text(page(), encoding="utf-8")


def measure(command: str) -> dict[str, Any]:
    """What the command printed, without paths of this machine."""
    print(command, file=sys.stderr)
    program, *arguments = shlex.split(command)
    path = Path(sys.executable).parent / program
    done = subprocess.run(
        [path, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    report: dict[str, Any] = json.loads(done.stdout.replace(f"{ROOT}/", ""))
    return report


def page() -> str:
    """The page of all results there are."""
    sections = [INTRODUCTION]
    for name, (question, command) in (QUESTIONS | RECORDED).items():
        path = RESULTS / f"{name}.json"
        if path.exists():
            sections.append(section(question, command, path))
    return "\n\n".join(sections) + "\n"


def section(question: str, command: str, path: Path) -> str:
    report = json.loads(path.read_text(encoding="utf-8"))
    source = f"`{command}` ([JSON]({path.relative_to(PAGE.parent).as_posix()}))"
    machine = environment_line(report["environment"]) if "environment" in report else ""
    return "\n\n".join(filter(None, [f"## {question}", source, as_markdown(report), machine]))


if __name__ == "__main__":
    main()
