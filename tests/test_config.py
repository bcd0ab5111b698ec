"""Configurations: strict about keys and types, the same after a file, bases and overrides."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from audiocodec.config import (
    dump_yaml,
    from_dict,
    load_config,
    merge,
    one_of,
    overrides,
    read_yaml,
    several_of,
    to_dict,
)
from audiocodec.errors import ConfigError
from audiocodec.models.config import CodecConfig
from audiocodec.registry import Registry
from tests.properties.strategies import configs


@dataclass(frozen=True)
class Round:
    radius: float = 1.0


@dataclass(frozen=True)
class Square:
    side: int = 2
    colours: tuple[str, ...] = ("red",)


SHAPES = Registry("shape", {"round": (Round, str), "square": (Square, str)})


@dataclass(frozen=True)
class Inner:
    depth: int = 3


@dataclass(frozen=True)
class Picture:
    title: str = "none"
    scale: float = 0.5
    seed: int | None = None
    mode: Literal["fast", "exact"] = "fast"
    visible: bool = True
    inner: Inner = Inner()
    shape: Any = one_of(SHAPES, Round())
    others: Any = several_of(SHAPES, (Square(), Round(3.0)))


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_are_written_out_and_read_back() -> None:
    assert to_dict(Picture())["shape"] == {"kind": "round", "radius": 1.0}
    assert from_dict(Picture, to_dict(Picture())) == Picture()
    assert from_dict(Picture, yaml.safe_load(dump_yaml(Picture()))) == Picture()


@given(configs())
def test_a_codec_configuration_survives_its_file(options: dict[str, Any]) -> None:
    config = from_dict(CodecConfig, options)
    assert from_dict(CodecConfig, yaml.safe_load(dump_yaml(config))) == config


@given(
    st.builds(
        Picture,
        title=st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])),
        scale=st.floats(allow_nan=False),
        seed=st.none() | st.integers(),
        mode=st.sampled_from(["fast", "exact"]),
        visible=st.booleans(),
        inner=st.builds(Inner, st.integers()),
        shape=st.builds(Round, st.floats(allow_nan=False)) | st.builds(Square, st.integers()),
    )
)
def test_any_value_survives_its_file(picture: Picture) -> None:
    assert from_dict(Picture, yaml.safe_load(dump_yaml(picture))) == picture


def test_values_of_a_file_and_of_set_are_taken(tmp_path: Path) -> None:
    path = written(tmp_path / "c.yaml", "scale: 1e-4\nshape: {kind: square, colours: [blue]}\n")
    picture = load_config(Picture, path, ["inner.depth=7", "seed=5", "shape.side=9"])
    assert picture == Picture(
        scale=1e-4, seed=5, inner=Inner(7), shape=Square(side=9, colours=("blue",))
    )
    assert load_config(Picture, None, []) == Picture()


def test_another_kind_forgets_the_options_of_the_old_one() -> None:
    base = {"shape": {"kind": "square", "side": 4}, "inner": {"depth": 1}}
    assert merge(base, {"shape": {"kind": "round"}})["shape"] == {"kind": "round"}
    assert merge(base, {"shape": {"kind": "square"}})["shape"] == {"kind": "square", "side": 4}
    assert base["shape"] == {"kind": "square", "side": 4}  # not changed


def test_a_base_file_is_laid_under(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    written(tmp_path / "root.yaml", "title: root\nscale: 2\ninner: {depth: 1}\n")
    written(tmp_path / "deep" / "middle.yaml", "base: ../root.yaml\nscale: 3\n")
    top = written(tmp_path / "top.yaml", "base: deep/middle.yaml\ninner: {depth: 5}\n")
    assert read_yaml(top) == {"title": "root", "scale": 3, "inner": {"depth": 5}}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"titel": "x"}, r"unknown option 'titel'; did you mean 'title'\?"),
        ({"inner": {"depht": 1}}, r"'inner.depht'; did you mean 'depth'\?"),
        ({"zzz": 1}, "'zzz'; known options: title, scale"),
        ({"scale": "much"}, "scale is 'much'; it must be of type float"),
        ({"scale": True}, "scale is True"),
        ({"inner": {"depth": 1.5}}, "inner.depth is 1.5; it must be of type int"),
        ({"inner": {"depth": True}}, "inner.depth is True"),
        ({"inner": 4}, "inner is 4; give a mapping"),
        ({"visible": 1}, "visible is 1; it must be of type bool"),
        ({"mode": "slow"}, "mode is 'slow'; choose from fast, exact"),
        ({"mode": []}, r"mode is \[\]; choose"),
        ({"title": None}, "title is None; it must be of type str"),
        ({"shape": {"radius": 1}}, "shape needs a 'kind:'; known kinds: round, square"),
        ({"shape": "round"}, "shape needs a 'kind:'"),
        ({"shape": {"kind": "cube"}}, "unknown shape kind 'cube'; known kinds: round, square"),
        ({"shape": {"kind": ["round"]}}, r"shape.kind is \['round'\]; known kinds"),
        ({"shape": {"kind": "round", "side": 1}}, "'shape.side'"),
        ({"shape": {"kind": "square", "colours": "red"}}, "shape.colours is 'red'; give a list"),
        ({"others": {"kind": "round"}}, "others is .*; give a list"),
        ({"others": [{"kind": "round"}, {}]}, "others.1 needs a 'kind:'"),
        ([], "give a mapping"),
        ({1: 2}, "unknown option '1'"),
    ],
)
def test_mistakes_are_named_with_their_place(values: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        from_dict(Picture, values)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "not readable as YAML"),
        ("- 1\n", "top level must be a mapping"),
        ("just text", "top level must be a mapping"),
        ("x: !!python/object/apply:os.system [ls]", "not readable as YAML"),
        ("base: other.yaml", "other.yaml: no such configuration file"),
        ("base: c.yaml", "c.yaml: is its own base"),
        ("base: [1]", r"base is \[1\]; give the path"),
    ],
)
def test_bad_files_are_one_line(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        read_yaml(written(tmp_path / "c.yaml", text))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_text_or_missing_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "c.yaml", tmp_path, tmp_path / "no.yaml"):
        with pytest.raises(ConfigError, match=r"no such|not readable|not a regular file"):
            read_yaml(path)


def test_assignments_make_a_tree() -> None:
    tree = overrides(["a.b=1", "a.c=[1, x]", "d=true", "e=", "f=a=b"])
    assert tree == {"a": {"b": 1, "c": [1, "x"]}, "d": True, "e": None, "f": "a=b"}
    for assignment in ("a", "=1", "a=["):
        with pytest.raises(ConfigError, match="--set"):
            overrides([assignment])


def test_a_mistake_says_which_file_it_is_in(tmp_path: Path) -> None:
    path = written(tmp_path / "c.yaml", "scale: x\n")
    with pytest.raises(ConfigError, match=r"c\.yaml: scale is 'x'"):
        load_config(Picture, path)


def test_a_table_finds_builds_and_names() -> None:
    assert SHAPES.kind_of(Square()) == "square"
    assert list(SHAPES) == ["round", "square"] and len(SHAPES) == 2
    assert SHAPES.build(Round(2.0)) == "Round(radius=2.0)"
    with pytest.raises(ConfigError, match="Inner is not a registered shape configuration"):
        SHAPES.kind_of(Inner())


def test_kinds_by_their_former_names_mean_the_present_ones(tmp_path: Path) -> None:
    """Configurations and model folders that were written before keep loading."""
    former = {"encoder": {"kind": "causal"}, "decoder": {"kind": "reference", "blocks": 3}}
    present = {"encoder": {"kind": "convnext"}, "decoder": {"kind": "simvq_paper", "blocks": 3}}
    assert from_dict(CodecConfig, former) == from_dict(CodecConfig, present)
    assert to_dict(from_dict(CodecConfig, former))["encoder"]["kind"] == "convnext"
    merged = merge(present, {"decoder": {"kind": "reference", "channels": 64}})
    assert merged["decoder"] == {"kind": "reference", "blocks": 3, "channels": 64}
    with pytest.raises(ConfigError, match=r"unknown encoder kind 'cause'; known kinds: convnext"):
        from_dict(CodecConfig, {"encoder": {"kind": "cause"}})
