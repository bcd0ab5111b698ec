"""Entropy coding: exact, near the entropy, small tables that name themselves."""

import dataclasses
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiocodec.cli.samples import shipped_speech
from audiocodec.codes import CodesMetadata, read_codes, write_codes
from audiocodec.containers import packed, rans
from audiocodec.containers.fit import fit_tables
from audiocodec.containers.tables import read_tables, write_tables
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


TABLES = fit_tables([correlated_codes(20_000)], SIZES)


def metadata_for(codes: np.ndarray) -> CodesMetadata:
    num_samples = codes.shape[-1] * 320
    return CodesMetadata(
        "tiny", "0" * 16, 24_000, 320, SIZES[: codes.shape[-2]], num_samples, 24_000, num_samples, 2
    )


@settings(max_examples=50, deadline=None)
@given(
    st.integers(1, 3),
    st.integers(1, 2),
    st.lists(st.integers(1, 50), min_size=1, max_size=3),
    st.integers(0, 1000),
)
def test_any_codes_come_back_even_improbable_ones(channels, stages, frames, seed):
    rng = np.random.default_rng(seed)
    blocks = [
        np.stack([rng.integers(0, size, length) for size in SIZES[:stages] * channels])
        for length in frames
    ]
    payloads = rans.encode(blocks, stages, TABLES)
    for block, back in zip(
        blocks, rans.decode(payloads, frames, channels, stages, TABLES), strict=True
    ):
        np.testing.assert_array_equal(back, block)


def test_blocks_are_coded_alike_alone_and_side_by_side():
    blocks = [correlated_codes(frames, seed=frames) for frames in (300, 300, 17)]
    alone = [rans.encode([block], 2, TABLES)[0] for block in blocks]
    assert rans.encode(blocks, 2, TABLES) == alone


def reference_decode(payload: bytes, frames: int) -> list[list[int]]:
    """What docs/formats.md says, in plain integers, one code after the other."""
    tensors = TABLES.tensors()
    stages = len(SIZES)
    states = [int.from_bytes(payload[4 * s : 4 * s + 4], "little") for s in range(stages)]
    words = iter(np.frombuffer(payload[4 * stages :], "<u2").tolist())
    powers = [round(2 ** (16 - i / 8)) for i in range(8)]
    codes: list[list[int]] = [[] for _ in range(stages)]
    for step in range(frames + stages - 2):
        for s in range(stages):
            t = step - s
            if not 0 <= t < frames - 1:
                continue
            sums = np.zeros(SIZES[s], dtype=int)
            for j, (back, source) in enumerate(tensors["sources"][s].tolist()):
                entry = codes[source][t - back] + 1 if t >= back else 0
                label = tensors[f"classes.{s:03}.{j}"][entry]
                sums += tensors[f"logs.{s:03}.{j}"][label]
            below = [max(sums.tolist()) - x for x in sums.tolist()]
            weights = [powers[b % 8] >> b // 8 for b in below]
            weights = [max(w, sum(weights) // 32768 + 1) for w in weights]
            starts = [65536 * sum(weights[:k]) // sum(weights) for k in range(len(weights) + 1)]
            slot = states[s] % 65536
            code = max(k for k in range(SIZES[s]) if starts[k] <= slot)
            states[s] = (starts[code + 1] - starts[code]) * (states[s] // 65536)
            states[s] += slot - starts[code]
            if states[s] < 65536:
                states[s] = 65536 * states[s] + next(words)
            codes[s].append(code)
    assert next(words, None) is None
    return [[*row, state - 65536] for row, state in zip(codes, states, strict=True)]


def test_the_description_in_the_documents_is_enough_to_decode():
    codes = correlated_codes(200, seed=5)
    codes[:, 50:] = np.random.default_rng(0).integers(0, np.array(SIZES)[:, None], (2, 150))
    payload = rans.encode([codes], 2, TABLES)[0]
    assert reference_decode(payload, 200) == codes.tolist()


def test_fitting_finds_what_one_code_says_about_another():
    """Entropy rates of the source: 0.92 bit to move; 0.7 + 0.3 / 9 for the code that follows."""
    codes = correlated_codes(10_000, seed=1)
    rate = 8 * len(rans.encode([codes], 2, TABLES)[0]) / codes.shape[1]
    move = -(0.8 * np.log2(0.8) + 0.2 * np.log2(0.1))
    likely, other = 0.7 + 0.3 / 9, 0.3 / 9
    assert TABLES.sources[0][0].tolist() == [1, 0] and TABLES.sources[1][0].tolist() == [0, 0]
    assert rate == pytest.approx(
        move - likely * np.log2(likely) - 8 * other * np.log2(other), rel=0.02
    )


@pytest.mark.parametrize(("sizes", "frames"), [(SIZES, 1), (SIZES, 7), ((1024, 300, 3), 400)])
def test_few_codes_of_many_are_fitted_without_overflow(sizes, frames):
    """Each code of a large codebook comes once: what was before it seems to tell it for sure."""
    codes = np.random.default_rng(0).integers(0, np.array(sizes)[:, None], (len(sizes), frames))
    tables = fit_tables([codes], sizes)
    payloads = rans.encode([codes], len(sizes), tables)
    (back,) = rans.decode(payloads, [frames], 1, len(sizes), tables)
    np.testing.assert_array_equal(back, codes)


def test_single_bit_flips_of_a_block_never_decode_to_its_end_unnoticed_by_the_file():
    codes = correlated_codes(300, seed=2)
    file = io.BytesIO()
    packed.write(file, codes, metadata_for(codes), TABLES)
    data = file.getvalue()
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CodeFileError):
            packed.read(bytes(flipped[:8]), io.BytesIO(flipped[8:]), TABLES)


def test_hostile_blocks_end_in_a_clean_error():
    rng = np.random.default_rng(0)
    for size in [*range(12), *rng.integers(0, 400, 300)]:
        with pytest.raises(CodeFileError, match="entropy coded block"):
            rans.decode([rng.bytes(int(size))], [500], 1, 2, TABLES)


@pytest.mark.parametrize("leading", [(), (2,)])
def test_files_keep_codes_and_say_which_tables_they_need(tmp_path, leading):
    codes = np.broadcast_to(correlated_codes(2500, seed=3), (*leading, 2, 2500))
    path, plain = tmp_path / "a.codec", tmp_path / "b.codec"
    write_codes(path, codes, metadata_for(codes), TABLES)
    write_codes(plain, codes, metadata_for(codes))
    assert path.stat().st_size < 0.6 * plain.stat().st_size
    back, metadata = read_codes(path, TABLES)
    np.testing.assert_array_equal(back, codes)
    assert metadata == metadata_for(codes)
    with open(path, "rb") as file:
        frames = packed.read_frames(file, 1000, 2100, TABLES)
    np.testing.assert_array_equal(frames, codes[..., 1000:2100])
    other = fit_tables([correlated_codes(5000, seed=4)], SIZES)
    for tables in (None, other):
        with pytest.raises(CodeFileError, match=f"{TABLES.digest.hex()} of model 'tiny'"):
            read_codes(path, tables)


def test_tables_of_other_codebooks_are_not_used():
    codes = correlated_codes(10)
    metadata = dataclasses.replace(metadata_for(codes), codebook_sizes=(16, 10))
    with pytest.raises(CodeFileError, match="tables are for codebooks"):
        packed.write(io.BytesIO(), codes, metadata, TABLES)


def test_fitting_is_deterministic_and_tables_survive_their_file(tmp_path):
    again = fit_tables([correlated_codes(20_000)], SIZES)
    assert again.digest == TABLES.digest
    write_tables(tmp_path, TABLES)
    assert read_tables(tmp_path).digest == TABLES.digest


def test_tables_that_contradict_themselves_are_refused(tmp_path):
    with pytest.raises(ModelError, match="fit-entropy"):
        read_tables(tmp_path)
    shorter = tuple(classes[1:] for classes in TABLES.classes[0])
    early = TABLES.sources[0].copy()
    early[0] = (0, 0)  # a stage is not known before itself
    for changed in (
        {"logs": (TABLES.logs[0], tuple(part[:-1] for part in TABLES.logs[1]))},
        {"logs": (TABLES.logs[0], TABLES.logs[1][:2])},
        {"sources": (early, TABLES.sources[1])},
        {"sources": (TABLES.sources[0] + np.uint8(3), TABLES.sources[1])},
        {"classes": TABLES.classes[:1]},
        {"classes": (shorter, TABLES.classes[1])},
    ):
        with pytest.raises(ModelError):
            dataclasses.replace(TABLES, **changed)
    write_tables(tmp_path, TABLES)
    path = next(tmp_path.iterdir())
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ModelError, match="no usable entropy tables"):
        read_tables(tmp_path)
    with pytest.raises(CodeFileError, match="entropy tables need"):
        fit_tables([], SIZES)


def test_the_shipped_model_brings_tables_that_fit_it_and_pay(tmp_path):
    """Speech is what they were counted in; the codec is there to make codes of some."""
    folder = model_folder(DEFAULT_MODEL)
    tables = read_tables(folder)
    transcoder = Transcoder(load_codec(DEFAULT_MODEL))
    assert tables.codebook_sizes == transcoder.codec.codebook_sizes
    assert sum(path.stat().st_size for path in folder.iterdir()) < 20_000_000
    plain = small = 0
    for path in shipped_speech()[:3]:
        ((codes, metadata),) = transcoder.encode([transcoder.read(path)])
        for name, by in (("plain.codec", None), ("small.codec", tables)):
            write_codes(tmp_path / name, codes, metadata, by)
        np.testing.assert_array_equal(read_codes(tmp_path / "small.codec", tables).codes, codes)
        plain += (tmp_path / "plain.codec").stat().st_size
        small += (tmp_path / "small.codec").stat().st_size
    assert small < 0.97 * plain
