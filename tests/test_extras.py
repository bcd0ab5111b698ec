"""Encoding and decoding need the core packages alone; whatever else is missing is named."""

import ast
import configparser
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from audiocodec.extras import PURPOSES

ROOT = Path(__file__).parent.parent
BLOCKED = """
import sys
sys.modules.update(dict.fromkeys({names}))
from audiocodec.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def requirements() -> dict[str, str]:
    """The lists of setup.cfg: of each extra, and of the core under ""."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return {"": parser["options"]["install_requires"], **parser["options.extras_require"]}


@cache
def modules(name: str) -> frozenset[str]:
    """What can be imported with the extra `name` and those that it includes."""
    text = requirements()[name]
    included = [
        key for keys in re.findall(r"^simvq-codec\[(.*)\]", text, re.M) for key in keys.split(",")
    ]
    own = set(re.findall(r"^([\w-]+)", text, re.MULTILINE)) - {"simvq-codec"}
    own = {{"PyYAML": "yaml"}.get(package, package) for package in own}
    return frozenset(own).union(*(modules(key) for key in included if key != name))


def optional_imports(tree: ast.AST, inside: str = "") -> Iterator[tuple[str, str]]:
    """Packages that are neither ours, core nor Python's, and the extra around their import."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        known = {"audiocodec", *modules(""), *sys.stdlib_module_names}
        yield from ((n, inside) for n in (n.partition(".")[0] for n in names) if n not in known)
        calls = [item.context_expr for item in node.items] if isinstance(node, ast.With) else []
        named = [
            ast.literal_eval(call.args[0])
            for call in calls
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "extra"
        ]
        yield from optional_imports(node, named[0] if named else inside)


def test_each_optional_import_names_an_extra_that_has_the_package():
    found = []
    for path in sorted((ROOT / "audiocodec").rglob("*.py")):
        for package, name in optional_imports(ast.parse(path.read_text(encoding="utf-8"))):
            assert name in PURPOSES, f"{path}: {package} is imported outside extra()"
            assert package in modules(name), f"{path}: {package} is not in the extra {name}"
            found.append(package)
    assert len(set(found)) > 10  # the walk sees them


OPTIONAL = set().union(*(modules(name) for name in PURPOSES)) - modules("")


def without(packages: set[str], *arguments: object) -> subprocess.CompletedProcess[str]:
    code = BLOCKED.format(names=sorted(packages))
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_files_are_encoded_and_decoded_with_the_core_alone(tmp_path, tiny_model_dir, speech):
    from audiocodec.audio import write_waveform

    write_waveform(tmp_path / "in.wav", speech[None, :6_000], 24_000)
    model = ("--model", tiny_model_dir)
    for step in (("encode", "in.wav", "a.npy"), ("decode", "a.npy", "back.wav")):
        paths = (step[0], *(tmp_path / name for name in step[1:]))
        done = without(OPTIONAL, *paths, *model)
        assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "back.wav").exists()


def test_the_demonstration_leaves_out_what_it_has_no_packages_for(tmp_path):
    clip = ROOT / "audiocodec" / "assets" / "demo_speech" / "joe_en.flac"
    done = without(OPTIONAL, "demo", "--audio", clip, "--output", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "needs" in done.stdout.partition("left out")[2]
    made = {path.suffix for path in tmp_path.rglob("*.*")}
    assert made == {".wav", ".npy"}  # neither picture nor page


@pytest.mark.parametrize(
    ("package", "name", "arguments"),
    [
        ("numba", "entropy", "encode {samples}/de_eva_01.opus {out}.codec --entropy"),
        ("av", "formats", "info {samples}/de_eva_01.opus"),
        ("pyarrow", "parquet", "encode {samples} {out} --format parquet"),
        ("pyarrow", "parquet", "decode {shard} {out}"),
        ("pandas", "eval", "evaluate --reference {samples} --degraded {samples} --output {out}"),
        ("joblib", "train", "data prepare folder --audio {samples} --output {out}"),
    ],
)
def test_a_missing_package_is_one_line_that_names_its_extra(tmp_path, package, name, arguments):
    samples = ROOT / "audiocodec" / "assets" / "speech_samples" / "de_eva"
    (tmp_path / "a.parquet").touch()
    values = {"samples": samples, "shard": tmp_path / "a.parquet", "out": tmp_path / "out"}
    done = without({package}, *(word.format(**values) for word in arguments.split()))
    assert done.returncode == 2
    assert done.stderr.startswith("codec: error: ") and done.stderr.count("\n") == 1
    assert f"needs {package}: pip install 'simvq-codec[{name}]'" in done.stderr


def test_what_is_no_sound_is_said_without_the_package_for_sounds(tmp_path):
    (tmp_path / "x.mp3").write_bytes(b"<html>not found</html>")
    done = without({"av"}, "info", tmp_path / "x.mp3")
    assert "web page" in done.stderr and "formats" not in done.stderr
