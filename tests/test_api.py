"""The public interface: light to import, complete, and its examples do what they say."""

import ast
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import audiocodec
from audiocodec.audio import write_waveform
from audiocodec.errors import ConfigError
from audiocodec.quantization.simvq import SimVQ, SimVQConfig
from audiocodec.registry import Registry

DOCTESTS = """
import doctest, sys
import audiocodec

runner, finder = doctest.DocTestRunner(), doctest.DocTestFinder()
audiocodec.encode_files(["speech.wav"], "speech.npy")
runner.run(doctest.DocTestParser().get_doctest(audiocodec.__doc__, {}, "audiocodec", None, None))
for name in audiocodec.__all__:
    for test in finder.find(getattr(audiocodec, name), name, globs={}):
        runner.run(test)
print(runner.tries)
sys.exit(bool(runner.failures))
"""


def speech(seconds: float) -> np.ndarray:
    return 0.1 * np.random.default_rng(0).standard_normal(round(24_000 * seconds))


def test_every_example_does_what_it_says(tmp_path: Path) -> None:
    for name in ("speech.wav", "corpus/one.wav", "corpus/two.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_waveform(tmp_path / name, speech(1), 24_000)
    run = subprocess.run(
        [sys.executable, "-c", DOCTESTS], cwd=tmp_path, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout
    assert int(run.stdout.split()[-1]) > 40  # examples were found


def test_every_name_is_there_documented_and_known_to_type_checkers() -> None:
    tree = ast.parse(Path(audiocodec.__file__).read_text(encoding="utf-8"))
    (typed,) = (node for node in tree.body if isinstance(node, ast.If))
    imported = {alias.name for node in typed.body for alias in node.names}
    assert imported | {"__version__"} == set(audiocodec.__all__) <= set(dir(audiocodec))
    for name in imported:
        value = getattr(audiocodec, name)
        assert value.__doc__ and not value.__doc__.startswith(f"{name}("), name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = audiocodec.nothing


def test_import_takes_no_heavy_library() -> None:
    code = "import sys; import audiocodec; dir(audiocodec); print("
    code += "[m for m in ('torch', 'numpy', 'yaml', 'soundfile') if m in sys.modules])"
    output = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert output.strip() == "[]"


@dataclass(frozen=True)
class OwnConfig(SimVQConfig):
    sharpness: float = 2.0


class Own(SimVQ):
    pass


def test_a_class_from_elsewhere_is_a_kind_like_any_other() -> None:
    table = Registry("quantizer", dict(audiocodec.QUANTIZERS))
    table.register("own", OwnConfig, Own)
    table.register("own", OwnConfig, Own)  # a module that is imported again
    assert isinstance(table.build(OwnConfig(codebook_size=4), 2), Own)
    with pytest.raises(ConfigError, match="'own' is taken"):
        table.register("own", SimVQConfig, SimVQ)
    with pytest.raises(ConfigError, match="options must be a dataclass"):
        table.register("other", dict, Own)


def test_entry_points_of_other_packages_are_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What an installed package says in its metadata, as `pip install` writes it."""
    (tmp_path / "neighbour.py").write_text(
        "from audiocodec.quantization.simvq import SimVQ, SimVQConfig\n\n\n"
        "class Near(SimVQ):\n    pass\n\n\nKIND = (SimVQConfig, Near)\n"
    )
    info = tmp_path / "neighbour-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: neighbour\nVersion: 1.0\n")
    group = "[audiocodec.quantizers]\n"
    (info / "entry_points.txt").write_text(group + "near = neighbour:KIND\n")
    monkeypatch.syspath_prepend(tmp_path)
    table = Registry("quantizer", {"simvq": (SimVQConfig, SimVQ)})
    assert table["near"][1].__name__ == "Near"
    (info / "entry_points.txt").write_text(group + "far = neighbour:ABSENT\n")
    broken = Registry("quantizer", {})
    with pytest.raises(ConfigError, match="'far': neighbour:ABSENT is not a pair"):
        broken["far"]
    with pytest.raises(ConfigError, match="unknown quantizer kind 'nowhere'"):
        table["nowhere"]
