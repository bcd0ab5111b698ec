"""Run the benchmarks and write docs/benchmarks.md: each question, its command, what it printed.

make bench; or some questions anew, the others as they stand: python benchmarks/run.py search memory
"""

import os
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "benchmarks.md"
QUESTIONS = {
    "How fast is the shipped model, on one thread?": "codec bench --threads 1 --json",
    "Does memory grow with the length of a file?": "python benchmarks/memory.py",
    "Does scoring scale with processes, and what does it cost beyond the metric libraries?": (
        "python benchmarks/evaluation.py"
    ),
    "Does memory grow with the number of pairs that are scored?": (
        "python benchmarks/evaluation_memory.py"
    ),
    "What do losses and discriminators cost in a training step?": "python benchmarks/losses.py",
    "How fast is training, where does time go, and what has that to do with how it is written?": (
        "python benchmarks/training.py"
    ),
    "What will a training cost on GPUs?": "python benchmarks/training_cost.py",
    "How fast is the search for the nearest of many codes, and what memory does it take?": (
        "python benchmarks/search.py"
    ),
    "How many codes are in use after a start from data, against plain vector quantization?": (
        "python benchmarks/codebook_start.py"
    ),
    "Which codes learn, in the plane?": "python benchmarks/toy.py",
    "Does a codebook of 262144 codes train within 8 GB?": "python benchmarks/large_codebook.py",
    "How much smaller are entropy coded files, and what do they cost in time?": (
        "python benchmarks/entropy.py"
    ),
    "What does encoding a folder gain over one file after the other, and cost beyond the model?": (
        "python benchmarks/folder.py"
    ),
}


def main() -> None:
    chosen = sys.argv[1:]
    answered = {
        question: section(question, command)
        for question, command in QUESTIONS.items()
        if not chosen or any(f"/{n}.py" in command or f"codec {n} " in command for n in chosen)
    }
    # Read when all has run: another run may have changed other answers meanwhile.
    former = PAGE.read_text(encoding="utf-8").rstrip().split("\n\n## ") if chosen else [""]
    kept = {text.partition("\n")[0]: f"## {text}" for text in former[1:]}
    answers = [(kept | answered).get(question) for question in QUESTIONS]
    sections = [former[0] or introduction(), *filter(None, answers)]
    PAGE.write_text("\n\n".join(sections) + "\n", encoding="utf-8")


def introduction() -> str:
    return (
        "# Benchmarks\n\n"
        "Written by `make bench`; ratios within one run mean more than the figures themselves, "
        "which are of the machine named in each block. Other work on it (load average at the "
        f"start {os.getloadavg()[0]:.1f}) spoils what is measured in wall time."
    )


def section(question: str, command: str) -> str:
    """Run the command; the question, the command and what it printed."""
    print(command, file=sys.stderr)
    program, *arguments = shlex.split(command)
    path = Path(sys.executable).parent / program
    done = subprocess.run(
        [path, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    return f"## {question}\n\n`{command}`\n\n```json\n{done.stdout.strip()}\n```"


if __name__ == "__main__":
    main()
