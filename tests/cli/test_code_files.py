"""`codec convert`, `verify` and `info` on code files."""

import json
import shutil

import numpy as np
import pytest
import soundfile

from audiocodec.codes import CodesMetadata, read_codes, write_codes
from tests.cli.helpers import tree, write_audio

METADATA = CodesMetadata(
    model="a\x1b[31mmodel",  # names are text from a file: they must not reach a terminal raw
    model_hash="0123456789abcdef",
    sample_rate=24_000,
    hop_length=320,
    codebook_sizes=(1024,) * 8,
    num_samples=240_000,
    source_sample_rate=24_000,
    source_num_samples=240_000,
    source_channels=1,
)

PACK = ("convert", "--format", "codec")


def write_random_codes(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    codes = np.random.default_rng(0).integers(0, 1024, (8, METADATA.num_frames))
    write_codes(path, codes, METADATA)


def test_packing_and_unpacking_give_the_same_bytes_back(tmp_path, codec):
    for name in ("a.npy", "sub/b.npy"):
        write_random_codes(tmp_path / "plain" / name)
    assert codec(*PACK, tmp_path / "plain", tmp_path / "packed").exit_code == 0
    assert codec("convert", tmp_path / "packed", tmp_path / "back").exit_code == 0
    assert tree(tmp_path / "plain") == tree(tmp_path / "back")
    plain, packed = (sum(map(len, tree(tmp_path / name).values())) for name in ("plain", "packed"))
    assert packed < 0.65 * plain
    outcome = codec(*PACK, tmp_path / "plain" / "a.npy", tmp_path / "a.wav")
    assert outcome.exit_code == 2 and "a code file ends in .npy, .npz, .codec" in outcome.err


def test_encoding_to_the_compact_container_and_decoding_it(tiny_model_dir, tmp_path, codec):
    write_audio(tmp_path / "in" / "a.wav", 9000)
    options = ("--model", tiny_model_dir)
    assert codec("encode", tmp_path / "in", tmp_path / "npy", *options).exit_code == 0
    packed = tmp_path / "packed"
    assert codec("encode", tmp_path / "in", packed, *options, "--format", "codec").exit_code == 0
    plain, packed_codes = read_codes(tmp_path / "npy" / "a.npy"), read_codes(packed / "a.codec")
    np.testing.assert_array_equal(plain.codes, packed_codes.codes)
    assert plain.metadata == packed_codes.metadata
    assert codec("decode", packed / "a.codec", tmp_path / "b.wav", *options).exit_code == 0
    assert soundfile.info(tmp_path / "b.wav").frames == 9000


def test_verify_finds_the_damaged_file_among_good_ones(tmp_path, codec):
    for name in ("a.npy", "b.codec", "c.npy"):
        write_random_codes(tmp_path / name)
    assert codec("verify", tmp_path).exit_code == 0
    damaged = bytearray((tmp_path / "b.codec").read_bytes())
    damaged[500] ^= 16
    (tmp_path / "b.codec").write_bytes(damaged)
    outcome = codec("verify", tmp_path)
    assert outcome.exit_code == 3 and "b.codec: damaged" in outcome.err
    assert "2 of 3 files done" in outcome.err
    assert codec("verify", tmp_path / "b.codec").exit_code == 1
    assert codec("verify", tmp_path / "a.npy").exit_code == 0


def test_info_tells_nominal_and_real_bitrates_of_code_files(tmp_path, codec):
    for name in ("a.npy", "a.codec"):
        write_random_codes(tmp_path / name)
        outcome = codec("info", tmp_path / name, "--json")
        report = json.loads(outcome.out)
        assert report["nominal_bitrate"] == 6000 and report["duration"] == 10
        size = (tmp_path / name).stat().st_size
        assert report["file_bitrate"] == 8 * size / 10
    assert 6000 < report["file_bitrate"] < 6150  # ten bits a code and a small header
    assert "\x1b" not in codec("info", tmp_path / "a.npy").out


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_packing_a_folder_tells_nominal_and_real_bitrates(tmp_path, codec, suffix):
    for name in ("a", "b"):
        write_random_codes(tmp_path / "in" / f"{name}{suffix}")
    outcome = codec(*PACK, tmp_path / "in", tmp_path / "out")
    size = sum(map(len, tree(tmp_path / "out").values()))
    assert outcome.err.strip().endswith(f"files of {8 * size / 20 / 1000:.2f} kbit/s, nominal 6.00")


def test_a_model_with_tables_packs_smaller_and_its_files_need_it(tiny_model_dir, tmp_path, codec):
    model = tmp_path / "tiny"
    shutil.copytree(tiny_model_dir, model)
    for name in ("a", "b"):
        write_audio(tmp_path / "in" / f"{name}.wav", 240_000)
    assert codec("encode", tmp_path / "in", tmp_path / "npy", "--model", model).exit_code == 0
    outcome = codec(*PACK, tmp_path / "npy", tmp_path / "no", "--entropy", "--model", model)
    assert outcome.exit_code == 1 and "fit-entropy" in outcome.err
    assert codec("model", "fit-entropy", tmp_path / "npy", "--model", model).exit_code == 0
    for name, options in (("plain", ()), ("small", ("--entropy", "--model", model))):
        assert codec(*PACK, tmp_path / "npy", tmp_path / name, *options).exit_code == 0
    plain, small = (sum(map(len, tree(tmp_path / name).values())) for name in ("plain", "small"))
    assert small < 0.95 * plain
    direct = ("encode", tmp_path / "in", tmp_path / "direct", "--model", model)
    assert codec(*direct, "--format", "codec", "--entropy").exit_code == 0
    assert tree(tmp_path / "direct") == tree(tmp_path / "small")
    with_model = ("--model", model)
    assert codec("convert", tmp_path / "small", tmp_path / "back", *with_model).exit_code == 0
    assert tree(tmp_path / "back") == tree(tmp_path / "npy")
    small_file = tmp_path / "small" / "a.codec"
    assert codec("decode", small_file, tmp_path / "a.wav", *with_model).exit_code == 0
    assert codec("verify", tmp_path / "small", *with_model).exit_code == 0
    report = json.loads(codec("info", small_file, *with_model, "--json").out)
    assert report.pop("entropy_tables") and report["file_bitrate"] < report["nominal_bitrate"]
    other = json.loads(codec("info", small_file, "--json").out)  # only the header can be read
    assert other.pop("entropy_tables") and other == report
    damaged = bytearray(small_file.read_bytes())
    damaged[-10] ^= 1
    (tmp_path / "damaged.codec").write_bytes(damaged)
    outcome = codec("info", tmp_path / "damaged.codec")
    assert outcome.exit_code == 1 and "damaged: the checksum" in outcome.err
    outcome = codec("decode", small_file, tmp_path / "b.wav", "--model", tiny_model_dir)
    assert outcome.exit_code == 1 and "entropy coded with the tables" in outcome.err


def test_a_manifest_says_what_became_of_each_input(tiny_model_dir, tmp_path, codec):
    for name in ("a", "b"):
        write_audio(tmp_path / "in" / f"{name}.wav", 48_000, channels=1)
    (tmp_path / "in" / "bad.wav").write_bytes(b"no audio")
    manifest = tmp_path / "manifest.jsonl"
    command = ("encode", tmp_path / "in", tmp_path / "out", "--model", tiny_model_dir)

    def lines() -> dict[str, dict[str, object]]:
        return {line["id"]: line for line in map(json.loads, manifest.read_text().splitlines())}

    assert codec(*command, "--manifest", manifest).exit_code == 3
    first = lines()
    assert [line["status"] for line in first.values()] == ["done", "done", "failed"]
    assert first["a"]["source"] == str(tmp_path / "in" / "a.wav") and first["a"]["seconds"] > 0
    assert first["b"]["output"] == str(tmp_path / "out" / "b.npy")
    assert "bad.wav" in str(first["bad"]["error"])
    codec(*command, "--manifest", manifest, "--skip-existing")
    assert [line["status"] for line in lines().values()] == ["there", "there", "failed"]
    single = ("encode", tmp_path / "in" / "a.wav", tmp_path / "a.npz", *command[3:])
    assert codec(*single, "--manifest", manifest).exit_code == 0
    assert lines()["a"]["status"] == "done"
    back = ("decode", tmp_path / "a.npz", tmp_path / "a.wav", *command[3:])
    assert codec(*back).exit_code == 0
