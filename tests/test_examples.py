"""What README and the notebooks tell people to type works as it stands."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
EXTERNAL = ("pip install", "make ")  # what .ci/run and the test of the wheel do
EXECUTE = """
import sys, nbclient, nbformat
nbclient.NotebookClient(nbformat.read(sys.argv[1], 4), timeout=300).execute()
"""


def environment() -> dict[str, str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)}


def blocks(page: Path, *languages: str) -> list[tuple[str, str]]:
    """Fenced blocks in one of `languages`, in their order."""
    found = re.findall(r"^```(\w+)\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    return [(language, text) for language, text in found if language in languages]


def run_block(language: str, text: str, folder: Path) -> None:
    if language == "bash":
        text = "\n".join(line for line in text.splitlines() if not line.startswith(EXTERNAL))
        command = ["bash", "-euc", text]
    else:
        command = [sys.executable, "-c", text]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, f"{text}\n{done.stderr}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the shell and Python blocks of README.md were run, one after the other."""
    folder = tmp_path_factory.mktemp("readme")
    found = blocks(ROOT / "README.md", "bash", "python")
    assert len(found) == 3
    for language, text in found:
        run_block(language, text, folder)
    return folder


def test_the_blocks_of_the_readme_work_one_after_the_other(folder):
    original = folder / "demo" / "harbour" / "original.wav"
    assert (folder / "back.wav").stat().st_size == original.stat().st_size


@pytest.mark.parametrize("name", ["encode.md", "tokens.md"])
def test_the_python_of_the_guides_works_in_the_same_folder(name, folder):
    text = "\n".join(text for _, text in blocks(ROOT / "docs" / name, "python"))
    run_block("python", text, folder)


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run(path):
    nbformat = pytest.importorskip("nbformat")
    text = path.read_text(encoding="utf-8")
    assert not any(cell.get("outputs") for cell in nbformat.reads(text, 4).cells), "strip outputs"
    command = [sys.executable, "-c", EXECUTE, str(path)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
