"""Thousands of damaged and hostile files of each type: clean errors, bounded time and memory."""

import functools
import io
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiocodec.audio import audio_info, read_waveform
from audiocodec.codes import CodesMetadata, read_codes_from, write_codes
from audiocodec.containers.stream import StreamHeader, StreamWriter, read_header, read_packets
from audiocodec.entropy.model import EntropyTables, read_tables, write_tables
from audiocodec.entropy.training import fit_tables
from audiocodec.errors import CodecError
from audiocodec.models.bundle import load_codec
from tests.fuzz.mutations import (
    mutated,
    with_checksum_at_the_end,
    with_checksum_of_the_header,
    with_checksums_of_an_archive,
)
from tests.golden.make import FOLDER
from tests.soundfiles.made import encoded

FEW, MANY = 40, 5000
MAX_SECONDS, MAX_BYTES = 1.0, 200e6
SIZES = (1024, 300, 3)
FRAMES = 400
METADATA = CodesMetadata("a", "0" * 16, 24_000, 320, SIZES, 128_000, 24_000, 128_000, 1)
CODES = np.random.default_rng(0).integers(0, np.array(SIZES)[:, None], (3, FRAMES))


@functools.cache
def fitted() -> EntropyTables:
    """Tables that all tests share, trained when the first needs them."""
    return fit_tables([CODES], [np.eye(size, 8) for size in SIZES])


def code_file(folder: Path, name: str) -> bytes:
    write_codes(folder / name, CODES, METADATA, fitted() if name.startswith("entropy") else None)
    return (folder / name).read_bytes()


def stream(folder: Path) -> bytes:
    file = io.BytesIO()
    writer = StreamWriter(file, StreamHeader("a", "0" * 16, 24_000, 320, SIZES))
    for start in range(0, FRAMES, 50):
        writer.write(CODES[:, start : start + 50], 16_000)
    writer.end()
    return file.getvalue()


def audio(folder: Path, name: str) -> bytes:
    soundfile.write(folder / name, 0.1 * np.random.default_rng(0).standard_normal(4000), 24_000)
    return (folder / name).read_bytes()


def tables(folder: Path) -> bytes:
    write_tables(folder, fitted())
    return next(folder.glob("entropy.safetensors")).read_bytes()


def read_code_file(data: bytes, path: Path) -> None:
    codes, metadata = read_codes_from(io.BytesIO(data), "file", fitted())
    assert (codes < np.array(metadata.codebook_sizes)[:, None]).all()


def read_stream(data: bytes, path: Path) -> None:
    file = io.BytesIO(data)
    header = read_header(file)
    for codes, _ in read_packets(file, header):
        assert codes.shape[0] == len(header.codebook_sizes)
    if file.read(1):
        raise CodecError("a pipe may go on after the end mark; what came before it is whole")


def read_audio(data: bytes, path: Path) -> None:
    path.write_bytes(data)
    assert audio_info(path).num_samples >= 0
    assert np.isfinite(read_waveform(path)).all()


def read_table_file(data: bytes, path: Path) -> None:
    path.with_name("entropy.safetensors").write_bytes(data)
    read_tables(path.parent)


def load_model(name: str) -> Callable[[bytes, Path], None]:
    def load(data: bytes, path: Path) -> None:
        for file in (FOLDER / "model").iterdir():
            path.with_name(file.name).write_bytes(data if file.name == name else file.read_bytes())
        load_codec(path.parent)

    return load


def same(data: bytes) -> bytes:
    return data


TYPES: dict[str, tuple[Callable[[Path], bytes], Callable[[bytes, Path], None], object]] = {
    "npy": (lambda folder: code_file(folder, "a.npy"), read_code_file, same),
    "npy, checksum fits": (
        lambda folder: code_file(folder, "a.npy"),
        read_code_file,
        with_checksum_at_the_end,
    ),
    "npz": (lambda folder: code_file(folder, "a.npz"), read_code_file, same),
    "npz, checksums fit": (
        lambda folder: code_file(folder, "a.npz"),
        read_code_file,
        with_checksums_of_an_archive,
    ),
    "codec": (lambda folder: code_file(folder, "a.codec"), read_code_file, same),
    "codec, checksum fits": (
        lambda folder: code_file(folder, "a.codec"),
        read_code_file,
        with_checksum_of_the_header,
    ),
    "entropy": (lambda folder: code_file(folder, "entropy.codec"), read_code_file, same),
    "entropy, checksum fits": (
        lambda folder: code_file(folder, "entropy.codec"),
        read_code_file,
        with_checksum_of_the_header,
    ),
    "stream": (stream, read_stream, same),
    "stream, checksum fits": (stream, read_stream, with_checksum_of_the_header),
    "tables": (tables, read_table_file, same),
    "weights": (
        lambda folder: (FOLDER / "model" / "codec.safetensors").read_bytes(),
        load_model("codec.safetensors"),
        same,
    ),
    "config": (
        lambda folder: (FOLDER / "model" / "config.yaml").read_bytes(),
        load_model("config.yaml"),
        same,
    ),
    "wav": (lambda folder: audio(folder, "a.wav"), read_audio, same),
    "flac": (lambda folder: audio(folder, "a.flac"), read_audio, same),
    "ogg": (lambda folder: audio(folder, "a.ogg"), read_audio, same),
    "w64": (lambda folder: audio(folder, "a.w64"), read_audio, same),
    "aiff": (lambda folder: audio(folder, "a.aiff"), read_audio, same),
    "mp3": (lambda folder: audio(folder, "a.mp3"), read_audio, same),
    "opus": (lambda folder: encoded("ogg", "libopus", 24_000), read_audio, same),
    "m4a": (lambda folder: encoded("mp4", "aac"), read_audio, same),
    "webm": (lambda folder: encoded("webm", "libopus", 24_000), read_audio, same),
}


def attack(kind: str, folder: Path, seeds: range) -> tuple[int, list[str]]:
    """How many mutations were read without an error, and what went wrong."""
    make, read, repair = TYPES[kind]
    original = make(folder)
    read(original, folder / "mutated")
    accepted, wrong = 0, []
    for seed in seeds:
        data = repair(mutated(original, seed))  # type: ignore[operator]
        if data == original:
            continue
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        start = time.process_time()  # others may use the machine, too
        try:
            read(data, folder / "mutated")
            accepted += 1
        except CodecError as error:
            if "\n" in str(error) or len(str(error)) > 1000:
                wrong.append(f"{seed}: {str(error)[:300]!r}")
        except Exception as error:
            wrong.append(f"{seed}: {type(error).__name__}: {error}")
        seconds = time.process_time() - start
        peak = tracemalloc.get_traced_memory()[1] - before
        if seconds > MAX_SECONDS or peak > MAX_BYTES:
            wrong.append(f"{seed}: {seconds:.1f} s, {peak / 1e6:.0f} MB")
    return accepted, wrong


@pytest.mark.parametrize(
    "seeds",
    [range(FEW), pytest.param(range(FEW, FEW + MANY), marks=pytest.mark.slow)],
    ids=["few", "many"],
)
@pytest.mark.parametrize("kind", TYPES)
def test_a_hostile_file_ends_in_one_clear_line(kind: str, seeds: range, tmp_path: Path) -> None:
    tracemalloc.start()
    try:
        accepted, wrong = attack(kind, tmp_path, seeds)
    finally:
        tracemalloc.stop()
    assert wrong == []
    if kind in ("npy", "npz", "codec", "entropy", "stream"):
        assert accepted == 0  # nothing damaged is ever taken for whole
