"""Imports point down the table of ARCHITECTURE.md, and start-up stays light."""

import ast
import graphlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "audiocodec"
ROOT = PACKAGE.parent


def layers(text: str) -> dict[str, int]:
    """The level of each file and folder, bottom first, as the table of ARCHITECTURE.md has them."""
    rows = re.findall(r"^\| (\d+) \| (.*?) \|", text, re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(len(rows)))
    return {
        name.removesuffix("/").removesuffix(".py"): int(number)
        for number, names in rows
        for name in re.findall(r"`([^`]+)`", names)
    }


LEVEL = layers((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8"))
AUDIO = {"soundfiles/sndfile.py", "soundfiles/writing.py", "audio.py", "audio_blocks.py"}
ONLY_IMPORTERS = {
    "soundfile": AUDIO,
    "soxr": AUDIO,
    "av": {"soundfiles/pyav.py"},
    "accelerate": {"training/trainer.py"},
}
WITHOUT_TORCH = [
    *("audio_blocks", "cli.main", "codes", "config", "data.data_dir", "models.bundle"),
    *("models.graph_codec", "models.streaming", "models.transcoder", "pipeline.convert"),
    *("pipeline.decode", "pipeline.encode", "pipeline.listening"),
]


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                submodule = ROOT / name.replace(".", "/")
                is_module = submodule.is_dir() or submodule.with_suffix(".py").is_file()
                yield name if is_module else str(node.module)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


FILES = [path.relative_to(PACKAGE) for path in sorted(PACKAGE.rglob("*.py"))]


@pytest.mark.parametrize("path", FILES, ids=str)
def test_imports_point_down(path: Path) -> None:
    folder = path.with_suffix("").parts[0]
    for name in imports(ast.parse((PACKAGE / path).read_text(encoding="utf-8"))):
        package, _, rest = name.partition(".")
        if package == "audiocodec" and rest:
            target = rest.split(".")[0]
            within = target == folder and "." in rest  # and not through the folder's __init__
            assert within or LEVEL[target] < LEVEL[folder], f"{path} imports {name}"
        assert path.as_posix() in ONLY_IMPORTERS.get(package, {path.as_posix()}), f"{path}: {name}"


def test_the_table_has_every_file_and_nothing_else() -> None:
    assert {path.with_suffix("").parts[0] for path in FILES} == LEVEL.keys()


def test_no_import_goes_round_in_a_circle() -> None:
    """Not even one that only type checkers see, or that waits inside a function."""
    graph = {}
    for path in FILES:
        name = ".".join(("audiocodec", *path.with_suffix("").parts)).removesuffix(".__init__")
        tree = ast.parse((PACKAGE / path).read_text(encoding="utf-8"))
        graph[name] = {target for target in imports(tree) if target.startswith("audiocodec")}
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError


def test_what_starts_fast_imports_no_torch() -> None:
    code = "; ".join(f"import audiocodec.{name}" for name in WITHOUT_TORCH)
    commands = "from audiocodec.cli.main import COMMANDS, build_parser; "
    commands += "[build_parser(name) for name in COMMANDS]"
    check = "import sys; print([name for name in ('torch', 'pandas') if name in sys.modules])"
    output = subprocess.check_output([sys.executable, "-c", f"{code}; {commands}; {check}"])
    assert output.decode().strip() == "[]"
