"""Run the benchmarks and write docs/benchmarks.md: each question, its command, what it printed.

make bench
"""

import os
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
QUESTIONS = {
    "How fast is the shipped model, on one thread?": "codec bench --threads 1 --json",
    "Does memory grow with the length of a file?": "python benchmarks/memory.py",
    "Does scoring scale with processes, and what does it cost beyond the metric libraries?": (
        "python benchmarks/evaluation.py"
    ),
    "What do losses and discriminators cost in a training step?": "python benchmarks/losses.py",
    "How fast is training, where does time go, and what has that to do with how it is written?": (
        "python benchmarks/training.py"
    ),
    "What will a training cost on GPUs?": "python benchmarks/training_cost.py",
    "What does encoding a folder gain over one file after the other, and cost beyond the model?": (
        "python benchmarks/folder.py"
    ),
}


def main() -> None:
    sections = [
        "# Benchmarks",
        "Written by `make bench`; ratios within one run mean more than the figures themselves, "
        "which are of the machine named in each block. Other work on it (load average at the "
        f"start {os.getloadavg()[0]:.1f}) spoils what is measured in wall time.",
    ]
    for question, command in QUESTIONS.items():
        print(command, file=sys.stderr)
        program, *arguments = shlex.split(command)
        path = Path(sys.executable).parent / program
        done = subprocess.run(
            [path, *arguments], cwd=ROOT, capture_output=True, text=True, check=True
        )
        sections.append(f"## {question}\n\n`{command}`\n\n```json\n{done.stdout.strip()}\n```")
    (ROOT / "docs" / "benchmarks.md").write_text("\n\n".join(sections) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
