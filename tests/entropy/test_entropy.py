"""Entropy coding: exact, near the entropy, small tables that name themselves."""

import dataclasses
import functools
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiocodec.codes import CodesMetadata, read_codes, write_codes
from audiocodec.containers import packed
from audiocodec.data.samples import shipped_speech
from audiocodec.entropy import coder
from audiocodec.entropy.model import EntropyTables, Layer, read_tables, write_tables
from audiocodec.entropy.training import fit_tables
from audiocodec.errors import CodeFileError, ModelError
from audiocodec.models.bundle import load_codec
from audiocodec.models.folders import DEFAULT_MODEL, model_folder
from audiocodec.models.transcoder import Transcoder

SIZES = (16, 9)


def correlated_codes(frames: int, seed: int = 0) -> np.ndarray:
    """A first stage that mostly stays, a second that mostly follows from the first."""
    rng = np.random.default_rng(seed)
    steps = rng.choice([0, 1, 15], size=frames, p=[0.8, 0.1, 0.1])
    first = np.cumsum(steps) % 16
    second = np.where(rng.random(frames) < 0.7, first // 2, rng.integers(0, 9, frames))
    return np.stack([first, second])


def one_hot(sizes: tuple[int, ...]) -> list[np.ndarray]:
    """Vectors of codes that have nothing in common."""
    return np.split(np.eye(sum(sizes)), np.cumsum(sizes)[:-1])


@functools.cache
def fitted() -> EntropyTables:
    """Tables that all tests share, trained when the first needs them."""
    return fit_tables([correlated_codes(20_000)], one_hot(SIZES))


def metadata_for(codes: np.ndarray) -> CodesMetadata:
    num_samples = codes.shape[-1] * 320
    return CodesMetadata(
        "tiny", "0" * 16, 24_000, 320, SIZES[: codes.shape[-2]], num_samples, 24_000, num_samples, 2
    )


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 3), st.integers(1, 2), st.integers(1, 50), st.integers(0, 1000))
def test_any_codes_come_back_even_improbable_ones(channels, stages, frames, seed):
    rng = np.random.default_rng(seed)
    block = np.stack([rng.integers(0, size, frames) for size in SIZES[:stages] * channels])
    payload = coder.encode(block, stages, fitted())
    np.testing.assert_array_equal(coder.decode(payload, frames, channels, stages, fitted()), block)


class Described:
    """What docs/formats.md says of a channel, in plain integers of any size."""

    def __init__(self) -> None:
        tensors = fitted().tensors().items()
        self.tables = {name: array.astype(object) for name, array in tensors}
        self.dim = len(self.tables["vectors.000"][0])
        back = len(self.tables["shared.weight"][0]) // self.dim
        self.past = [[0] * self.dim for _ in range(back)]

    def layer(self, name: str, inputs: list[int], lowest: int) -> list[int]:
        weight, bias, shift = (self.tables[f"{name}.{key}"] for key in ("weight", "bias", "shift"))
        sums = weight @ np.array(inputs, dtype=object) + bias
        return [min(max(x >> int(s), lowest), 4095) for x, s in zip(sums, shift, strict=True)]

    def begin_frame(self) -> None:
        self.shared = self.layer("shared", [x for frame in self.past for x in frame], 0)
        self.partial = [0] * self.dim

    def starts(self, s: int) -> list[int]:
        inner = self.layer(f"inner.{s:03}", self.shared + self.partial, 0)
        direction = self.layer(f"outer.{s:03}", inner, -4095)
        vectors, bias = self.tables[f"vectors.{s:03}"], self.tables[f"bias.{s:03}"]
        levels = vectors @ np.array(direction, dtype=object) + bias
        levels = [level >> int(self.tables["shift"][s]) for level in levels]
        powers = [round(2 ** (16 - i / 8)) for i in range(8)]
        below = [max(levels) - level for level in levels]
        weights = [powers[b % 8] >> b // 8 for b in below]
        weights = [max(w, sum(weights) // 32768 + 1) for w in weights]
        return [65536 * sum(weights[:k]) // sum(weights) for k in range(len(weights) + 1)]

    def note(self, s: int, code: int) -> None:
        vector = self.tables[f"vectors.{s:03}"][code]
        self.partial = [a + b for a, b in zip(self.partial, vector, strict=True)]

    def end_frame(self) -> None:
        self.past = [self.partial, *self.past[:-1]]


def reference_decode(payload: bytes, frames: int, num_channels: int) -> list[list[list[int]]]:
    """Codes by channel, frame and stage."""
    state = int.from_bytes(payload[:4], "little")
    words = iter(np.frombuffer(payload[4:], "<u2").tolist())
    channels = [Described() for _ in range(num_channels)]
    codes: list[list[list[int]]] = [[] for _ in channels]
    for _ in range(frames):
        for channel, into in zip(channels, codes, strict=True):
            channel.begin_frame()
            into.append([])
            for s in range(len(SIZES)):
                starts = channel.starts(s)
                slot = state % 65536
                code = max(k for k in range(SIZES[s]) if starts[k] <= slot)
                state = (starts[code + 1] - starts[code]) * (state // 65536) + slot - starts[code]
                if state < 65536:
                    state = 65536 * state + next(words)
                into[-1].append(code)
                channel.note(s, code)
            channel.end_frame()
    assert state == 65536 and next(words, None) is None
    return codes


def test_the_description_in_the_documents_is_enough_to_decode():
    codes = correlated_codes(200, seed=5)
    codes[:, 50:] = np.random.default_rng(0).integers(0, np.array(SIZES)[:, None], (2, 150))
    other = correlated_codes(200, seed=6)
    payload = coder.encode(np.concatenate([codes, other]), 2, fitted())
    assert reference_decode(payload, 200, 2) == [codes.T.tolist(), other.T.tolist()]


def test_fitting_finds_what_one_code_says_about_another():
    """Entropy rates of the source: 0.92 bit to move; 0.7 + 0.3 / 9 for the code that follows."""
    codes = correlated_codes(10_000, seed=1)
    move = -(0.8 * np.log2(0.8) + 0.2 * np.log2(0.1))
    likely, other = 0.7 + 0.3 / 9, 0.3 / 9
    follow = -likely * np.log2(likely) - 8 * other * np.log2(other)
    for stages, bits in ((1, move), (2, move + follow)):
        rate = 8 * len(coder.encode(codes[:stages], stages, fitted())) / codes.shape[1]
        assert rate == pytest.approx(bits, rel=0.06)


def test_no_probability_depends_on_threads_or_on_what_else_is_coded():
    """Beside: payloads of other codes, in other threads."""
    blocks = [correlated_codes(300, seed=seed) for seed in range(8)]
    alone = [coder.encode(block, 2, fitted()) for block in blocks]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda block: coder.encode(block, 2, fitted()), blocks)) == alone


def test_codes_can_be_coded_where_compiled_code_cannot_be_kept(monkeypatch):
    def njit(cache: bool = False, **_: object) -> Callable[[object], object]:
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: function

    monkeypatch.setattr(coder.numba, "njit", njit)
    assert coder._compiled(len) is len


@pytest.mark.parametrize(("sizes", "frames"), [(SIZES, 1), (SIZES, 7), ((1024, 300, 3), 400)])
def test_few_codes_of_many_are_fitted_without_overflow(sizes, frames):
    """Each code of a large codebook comes once: what was before it seems to tell it for sure."""
    codes = np.random.default_rng(0).integers(0, np.array(sizes)[:, None], (len(sizes), frames))
    tables = fit_tables([codes], one_hot(sizes))
    payload = coder.encode(codes, len(sizes), tables)
    back = coder.decode(payload, frames, 1, len(sizes), tables)
    np.testing.assert_array_equal(back, codes)


def test_single_bit_flips_of_a_block_never_decode_to_its_end_unnoticed_by_the_file():
    codes = correlated_codes(300, seed=2)
    file = io.BytesIO()
    packed.write(file, codes, metadata_for(codes), fitted())
    data = file.getvalue()
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CodeFileError):
            packed.read(bytes(flipped[:8]), io.BytesIO(flipped[8:]), fitted())


def test_hostile_blocks_end_in_a_clean_error():
    rng = np.random.default_rng(0)
    for size in [*range(12), *rng.integers(0, 400, 300)]:
        with pytest.raises(CodeFileError, match="entropy coded block"):
            coder.decode(rng.bytes(int(size)), 500, 1, 2, fitted())


@pytest.mark.parametrize("leading", [(), (2,)])
def test_files_keep_codes_and_say_which_tables_they_need(tmp_path, leading):
    codes = np.broadcast_to(correlated_codes(2500, seed=3), (*leading, 2, 2500))
    path, plain = tmp_path / "a.codec", tmp_path / "b.codec"
    write_codes(path, codes, metadata_for(codes), fitted())
    write_codes(plain, codes, metadata_for(codes))
    assert path.stat().st_size < 0.6 * plain.stat().st_size
    back, metadata = read_codes(path, fitted())
    np.testing.assert_array_equal(back, codes)
    assert metadata == metadata_for(codes)
    with open(path, "rb") as file:
        frames = packed.read_frames(file, 1000, 2100, fitted())
    np.testing.assert_array_equal(frames, codes[..., 1000:2100])
    other = fit_tables([correlated_codes(5000, seed=4)], one_hot(SIZES))
    for tables in (None, other):
        with pytest.raises(CodeFileError, match=f"{fitted().digest.hex()} of model 'tiny'"):
            read_codes(path, tables)


def test_tables_of_other_codebooks_are_not_used():
    codes = correlated_codes(10)
    metadata = dataclasses.replace(metadata_for(codes), codebook_sizes=(16, 10))
    with pytest.raises(CodeFileError, match="tables are for codebooks"):
        packed.write(io.BytesIO(), codes, metadata, fitted())


def test_fitting_is_deterministic_and_tables_survive_their_file(tmp_path):
    again = fit_tables([correlated_codes(20_000)], one_hot(SIZES))
    assert again.digest == fitted().digest
    write_tables(tmp_path, fitted())
    assert read_tables(tmp_path).digest == fitted().digest


def fewer_outputs(layer: Layer) -> Layer:
    return Layer(layer.weight[1:], layer.bias[1:], layer.shift[1:])


def test_tables_that_contradict_themselves_are_refused(tmp_path):
    with pytest.raises(ModelError, match="fit-entropy"):
        read_tables(tmp_path)
    first, second = fitted().stages
    narrow = dataclasses.replace(first.inner, weight=first.inner.weight[:, 1:])
    short = dataclasses.replace(second.outer, weight=second.outer.weight[:, 1:])
    loud = dataclasses.replace(first.inner, bias=first.inner.bias + np.int32(2**31 - 1 - 2**20))
    for stage in (
        dataclasses.replace(second, vectors=second.vectors[:, 1:]),
        dataclasses.replace(second, bias=second.bias[1:]),
        dataclasses.replace(second, shift=np.uint8(31)),
        dataclasses.replace(second, inner=narrow),
        dataclasses.replace(second, inner=loud),
        dataclasses.replace(second, inner=fewer_outputs(second.inner), outer=short),
        dataclasses.replace(second, outer=dataclasses.replace(second.outer, shift=first.bias)),
    ):
        with pytest.raises(ModelError):
            EntropyTables(fitted().shared, (first, stage))
    with pytest.raises(ModelError):
        EntropyTables(narrow, fitted().stages)
    write_tables(tmp_path, fitted())
    path = next(tmp_path.iterdir())
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ModelError, match="no usable entropy tables"):
        read_tables(tmp_path)
    with pytest.raises(CodeFileError, match="entropy tables need"):
        fit_tables([], one_hot(SIZES))


def test_the_shipped_model_brings_tables_that_fit_it_and_pay(tmp_path):
    """Speech is what they were counted in; the codec is there to make codes of some."""
    folder = model_folder(DEFAULT_MODEL)
    tables = read_tables(folder)
    transcoder = Transcoder(load_codec(DEFAULT_MODEL))
    assert tables.codebook_sizes == transcoder.codec.codebook_sizes
    sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
    assert sizes["codec.safetensors"] + sizes["entropy.safetensors"] < 20_000_000
    assert sum(sizes.values()) < 25_000_000  # with the graphs and their tables
    plain = small = 0
    for path in shipped_speech()[:3]:
        ((codes, metadata),) = transcoder.encode([transcoder.read(path)])
        for name, by in (("plain.codec", None), ("small.codec", tables)):
            write_codes(tmp_path / name, codes, metadata, by)
        np.testing.assert_array_equal(read_codes(tmp_path / "small.codec", tables).codes, codes)
        plain += (tmp_path / "plain.codec").stat().st_size
        small += (tmp_path / "small.codec").stat().st_size
    assert small < 0.93 * plain
