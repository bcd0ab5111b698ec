"""Encoding and decoding need the core packages alone; whatever else is missing is named."""

import ast
import configparser
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from audiocodec.audio import read_waveform, write_waveform
from audiocodec.codes import read_codes
from audiocodec.extras import PURPOSES
from audiocodec.models.bundle import load_codec
from tests.blocked import without

ROOT = Path(__file__).parent.parent
# Layers are torch through and through; what imports them names the extra (extras.torch_named).
WITHIN = {"torch": (".",), "onnx": ("graphs",)}


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
            folders = [ROOT / "audiocodec" / folder for folder in WITHIN.get(package, ())]
            if any(path.is_relative_to(folder) for folder in folders):
                continue
            assert name in PURPOSES, f"{path}: {package} is imported outside extra()"
            assert package in modules(name), f"{path}: {package} is not in the extra {name}"
            found.append(package)
    assert len(set(found)) > 10  # the walk sees them


OPTIONAL = set().union(*(modules(name) for name in PURPOSES)) - modules("")


SESSION = """
import sys
from pathlib import Path
from audiocodec.cli.main import main

model, folder = sys.argv[1], Path(sys.argv[2])
for line in (folder / "commands").read_text().splitlines():
    words = line.format(folder=folder, model=model).split()
    print("::", *words, flush=True)
    assert main(words) == 0, line
assert not set({packages}) & set(sys.modules)
"""
COMMANDS = """\
encode {folder}/in.wav {folder}/a.npy --model {model}
encode {folder}/in {folder}/codes --model {model} --format codec --num-quantizers 2
decode {folder}/a.npy {folder}/a.wav --model {model}
decode {folder}/codes {folder}/back --model {model} --threads 1
convert {folder}/a.npy {folder}/a.codec --model {model}
verify {folder}/codes {folder}/a.codec --model {model}
info {model}
info {folder}/a.codec --model {model}
info {folder}/in.wav
model list {folder}
bench --model {model} --audio {folder}/in.wav --threads 1 --repeats 1
"""


def test_files_are_coded_with_the_core_alone_as_with_pytorch(tmp_path, tiny_graphs_dir, speech):
    for name in ("in.wav", "in/one.wav", "in/two.flac"):
        write_waveform(tmp_path / name, speech[None, : 6_000 + len(name)], 24_000)
    (tmp_path / "commands").write_text(COMMANDS)
    code = SESSION.replace("{packages}", repr(sorted(OPTIONAL)))
    done = without(OPTIONAL, tiny_graphs_dir, tmp_path, code=code)
    assert done.returncode == 0, done.stderr
    codec = load_codec(tiny_graphs_dir, runtime="torch")
    for source, made, stages in (("in.wav", "a.npy", 3), ("in/two.flac", "codes/two.codec", 2)):
        codes = read_codes(tmp_path / made).codes
        expected = codec.encode(tmp_path / source, num_quantizers=stages)
        np.testing.assert_array_equal(codes, expected.numpy())
    decoded = read_waveform(tmp_path / "a.wav")[0]
    expected = codec.reconstruct(read_waveform(tmp_path / "in.wav")[0])
    np.testing.assert_allclose(decoded, expected, rtol=0, atol=1e-4)  # 16 bits


def test_streams_run_with_the_core_alone(tmp_path, tiny_graphs_dir, speech):
    code = """
import io, sys
from audiocodec.cli.main import main
for step in ("encode", "decode"):
    stdout = sys.stdout
    sys.stdin = open(sys.argv[2] + "/" + step)
    sys.stdout = open(sys.argv[2] + "/" + step + ".out", "w")
    assert main(["stream", step, "--model", sys.argv[1]]) == 0
    sys.stdout.close()
    sys.stdout = stdout
    if step == "encode":
        __import__("os").rename(sys.argv[2] + "/encode.out", sys.argv[2] + "/decode")
"""
    (tmp_path / "encode").write_bytes((speech[:5_000] * 32_767).astype("<i2").tobytes())
    done = without(OPTIONAL, tiny_graphs_dir, tmp_path, code=code)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "decode.out").stat().st_size == 2 * 5_000


def test_the_library_gives_arrays_with_the_core_alone(tmp_path, tiny_graphs_dir):
    code = """
import sys
import numpy as np
import audiocodec

codec = audiocodec.load_codec(sys.argv[1])
codes = codec.encode(np.zeros(1_000, np.float32))
assert codes.shape == (3, 4) and codec.decode(codes, 1_000).shape == (1_000,)
assert audiocodec.StreamEncoder(codec).push(np.zeros(700)).shape == (3, 2)
try:
    audiocodec.Codec
except audiocodec.MissingPackage as error:
    print(error)
"""
    done = without(OPTIONAL, tiny_graphs_dir, code=code)
    assert done.returncode == 0, done.stderr
    assert "needs torch: pip install 'simvq-codec[torch]'" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ("encode {samples}/de_eva_01.opus {out} --model {bare}", "no graphs, so it needs torch"),
        ("encode {samples}/de_eva_01.opus {out} --device cuda", "needs torch"),
        ("model usage {samples}", "simvq-codec[torch]"),
        ("train --train-data a --valid-data b --output {out}", "simvq-codec[train]"),
        ("evaluate --reference a --model speech_24k --output {out}", "simvq-codec[eval]"),
    ],
)
def test_what_needs_pytorch_says_so_in_one_line(tmp_path, tiny_model_dir, arguments, what):
    samples = ROOT / "audiocodec" / "assets" / "speech_samples" / "de_eva"
    values = {"samples": samples, "out": tmp_path / "out.npy", "bare": tiny_model_dir}
    done = without({"torch"}, *(word.format(**values) for word in arguments.split()))
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("codec: error: ") and done.stderr.count("\n") == 1
    assert "torch" in done.stderr and what in done.stderr


def test_the_demonstration_leaves_out_what_it_has_no_packages_for(tmp_path, tiny_graphs_dir):
    clip = ROOT / "audiocodec" / "assets" / "demo_speech" / "joe_en.flac"
    model = ("--model", tiny_graphs_dir)
    done = without(OPTIONAL, "demo", "--audio", clip, "--output", tmp_path, *model)
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
