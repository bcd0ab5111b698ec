"""`codec encode` and `codec decode` over files, folders, lists and pipes."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiocodec.audio import read_waveform, resample
from audiocodec.codes import read_codes
from audiocodec.models.bundle import load_codec, save_codec
from tests.cli.helpers import tree, write_audio
from tests.conftest import build_codec

LENGTHS = (1, 319, 320, 321, 24_001)
RATES = (8_000, 16_000, 22_050, 44_100, 48_000, 96_000)


@pytest.fixture(scope="module")
def audio_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every length, rate and channel count that must come back exactly."""
    folder = tmp_path_factory.mktemp("audio")
    for length in LENGTHS:
        write_audio(folder / "lengths" / f"{length}.wav", length)
    for rate in RATES:
        write_audio(folder / "rates and ünïcode" / f"{rate}.wav", 10_007, rate)
    for channels in (2, 6):
        write_audio(folder / "channels" / f"{channels}.flac", 5_000, 24_000, channels)
    write_audio(folder / "lossy.ogg", 24_000)
    write_audio(folder / "lossy.mp3.d" / "UPPER.MP3", 24_000, 22_050)
    return folder


@pytest.mark.parametrize("keep", [[], ["--keep-channels"]])
def test_decoding_restores_length_rate_and_kept_channels(
    audio_tree, tiny_model_dir, tmp_path, codec, keep
):
    coded, back = tmp_path / "codes", tmp_path / "back"
    assert codec("encode", audio_tree, coded, "--model", tiny_model_dir, *keep).exit_code == 0
    assert codec("decode", coded, back, "--model", tiny_model_dir).exit_code == 0
    sources = [path for path in audio_tree.rglob("*") if path.is_file()]
    assert len(sources) == len(tree(coded)) == len(tree(back)) == 15
    for source in sources:
        before = soundfile.info(source)
        after = soundfile.info((back / source.relative_to(audio_tree)).with_suffix(".wav"))
        channels = before.channels if keep else 1
        assert (after.frames, after.samplerate, after.channels) == (
            before.frames,
            before.samplerate,
            channels,
        )


def test_files_give_what_the_codec_gives_directly(tiny_model_dir, tmp_path, codec):
    source = write_audio(tmp_path / "a.wav", 44_101, 44_100, 2)
    assert codec("encode", source, tmp_path / "a.npy", "--model", tiny_model_dir).exit_code == 0
    back = tmp_path / "b.wav"
    assert codec("decode", tmp_path / "a.npy", back, "--model", tiny_model_dir).exit_code == 0
    direct = load_codec(tiny_model_dir)
    waveform = read_waveform(source, 24_000)[0]
    codes = direct.encode(waveform)
    np.testing.assert_array_equal(read_codes(tmp_path / "a.npy")[0], codes)
    decoded = direct.decode(codes, num_samples=len(waveform)).numpy()
    expected = resample(decoded, 24_000, 44_100)[:44_101]
    np.testing.assert_allclose(read_waveform(back)[0], expected, atol=2 / 32768)


def test_batches_threads_and_lists_change_no_byte(audio_tree, tiny_model_dir, tmp_path, codec):
    options = ("--model", tiny_model_dir, "--keep-channels")
    alone, batched = ("--jobs", 1, "--batch-seconds", 0), ("--jobs", 3, "--batch-seconds", 2)
    assert codec("encode", audio_tree, tmp_path / "one", *options, *alone).exit_code == 0
    assert codec("encode", audio_tree, tmp_path / "many", *options, *batched).exit_code == 0
    assert codec("encode", audio_tree, tmp_path / "default", *options).exit_code == 0
    assert tree(tmp_path / "one") == tree(tmp_path / "many") == tree(tmp_path / "default")
    for folder, extra in (("one", ()), ("many", batched)):
        back = tmp_path / f"back-{folder}"
        assert codec("decode", tmp_path / folder, back, "--model", tiny_model_dir, *extra)[0] == 0
    for name in tree(tmp_path / "back-one"):
        one, many = (read_waveform(tmp_path / f"back-{name_}" / name) for name_ in ("one", "many"))
        np.testing.assert_allclose(one, many, atol=2 / 32768)


def test_a_list_gives_a_list_of_codes_by_id(tiny_model_dir, tmp_path, codec, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_audio(tmp_path / "some where.wav", 500)
    Path("wav.scp").write_text("spk1-b some where.wav\nspk1-a some where.wav\n")
    assert codec("encode", "wav.scp", "out", "--model", tiny_model_dir).exit_code == 0
    assert Path("out/codes.scp").read_text() == "spk1-b out/spk1-b.npy\nspk1-a out/spk1-a.npy\n"
    assert codec("decode", "out/codes.scp", "back", "--model", tiny_model_dir).exit_code == 0
    assert Path("back/wav.scp").read_text() == "spk1-b back/spk1-b.wav\nspk1-a back/spk1-a.wav\n"


def test_one_bad_file_is_reported_and_the_rest_goes_on(tiny_model_dir, tmp_path, codec):
    folder = tmp_path / "in"
    write_audio(folder / "good.wav", 1000)
    (folder / "empty.wav").touch()
    write_audio(folder / "nothing.wav", 0)
    (folder / "text.wav").write_text("hello")
    soundfile.write(folder / "nan.wav", np.full(99, np.nan), 24_000, subtype="FLOAT")
    (folder / "cut.flac").write_bytes(write_audio(tmp_path / "a.flac", 24_000).read_bytes()[:5000])
    outcome = codec("encode", folder, tmp_path / "out", "--model", tiny_model_dir)
    assert outcome.exit_code == 3
    assert list(tree(tmp_path / "out")) == ["good.npy"]
    *reports, summary, total = outcome.err.splitlines()
    assert len(reports) == 5 and all(line.startswith("codec: error: /") for line in reports)
    assert summary.startswith("codec: 1 of 6 files done;") and total.endswith("5 of 6 files failed")
    for bad in folder.glob("[!g]*"):
        outcome = codec("encode", bad, tmp_path / "single.npy", "--model", tiny_model_dir)
        assert outcome.exit_code == 1 and str(bad) in outcome.err
        assert outcome.err.count("\n") == 1
    assert not (tmp_path / "single.npy").exists()


def test_damaged_and_foreign_code_files_are_refused_in_one_line(tiny_model_dir, tmp_path, codec):
    source = write_audio(tmp_path / "a.wav", 9000)
    good, target = tmp_path / "a.npy", tmp_path / "b.wav"
    assert codec("encode", source, good, "--model", tiny_model_dir).exit_code == 0
    flipped = bytearray(good.read_bytes())
    flipped[140] ^= 1
    (tmp_path / "flipped.npy").write_bytes(flipped)
    np.save(tmp_path / "pickled.npy", np.array([{}], dtype=object), allow_pickle=True)
    save_codec(build_codec(seed=1), tmp_path / "other")
    for name, model, reason in [
        ("flipped.npy", tiny_model_dir, "checksum"),
        ("pickled.npy", tiny_model_dir, "pickled objects are never read"),
        ("absent.npy", tiny_model_dir, "No such file"),
        ("a.npy", tmp_path / "other", "made by model 'tiny'"),
        ("a.npy", tmp_path / "nowhere", "model"),
    ]:
        outcome = codec("decode", tmp_path / name, target, "--model", model)
        assert outcome.exit_code == 1 and reason in outcome.err
        assert outcome.err.count("\n") == 1 and not target.exists()


def test_two_inputs_never_share_an_output(tiny_model_dir, tmp_path, codec):
    folder = tmp_path / "in"
    for name in ("a.wav", "a.flac"):
        write_audio(folder / name, 1000)
    outcome = codec("encode", folder, tmp_path / "out", "--model", tiny_model_dir)
    assert outcome.exit_code == 2 and "a.flac and" in outcome.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("a.wav", "a.txt"), r"ends in .npy"),
        (("absent", "out"), "absent: no such file or folder"),
        (("a.wav", "a.wav"), "same file"),
        (("a.wav", "b.wav", "-"), "folder as output"),
        (("-", "a.wav", "out"), "none may be -"),
        (("empty", "out"), "no .wav"),
        (("a.wav", "out.npy", "--num-quantizers", "4"), "has 1 to 3"),
        (("a.wav", "out.npy", "--beams", "17"), "has 1 to 16"),
        (("a.wav", "out.npy", "--device", "nonsense"), "device"),
    ],
)
def test_commands_that_cannot_work_say_why(
    tiny_model_dir, tmp_path, codec, monkeypatch, arguments, reason
):
    monkeypatch.chdir(tmp_path)
    write_audio(tmp_path / "a.wav", 100)
    Path("empty").mkdir()
    outcome = codec("encode", *arguments, "--model", tiny_model_dir)
    assert outcome.exit_code in (1, 2) and reason in outcome.err
    assert sorted(os.listdir()) == ["a.wav", "empty"]


def test_fewer_quantizers_are_the_first_ones(tiny_model_dir, tmp_path, codec):
    source = write_audio(tmp_path / "a.wav", 9000)
    for stages, name in ((3, "all.npy"), (1, "one.npy")):
        outcome = codec(
            "encode", source, tmp_path / name, "--model", tiny_model_dir, "--num-quantizers", stages
        )
        assert outcome.exit_code == 0
    one, metadata = read_codes(tmp_path / "one.npy")
    np.testing.assert_array_equal(one, read_codes(tmp_path / "all.npy")[0][:1])
    assert metadata.codebook_sizes == (16,)
    back = tmp_path / "back.flac"
    assert codec("decode", tmp_path / "one.npy", back, "--model", tiny_model_dir).exit_code == 0
    assert soundfile.info(back).frames == 9000


def test_beams_are_those_of_the_library_and_decode_like_any_codes(tiny_model_dir, tmp_path, codec):
    source = write_audio(tmp_path / "a.wav", 9000)
    options = ("--model", tiny_model_dir, "--beams", 4)
    assert codec("encode", source, tmp_path / "a.npy", *options).exit_code == 0
    expected = load_codec(tiny_model_dir, beams=4).encode(source).numpy()
    np.testing.assert_array_equal(read_codes(tmp_path / "a.npy")[0], expected)
    back = tmp_path / "back.wav"
    assert codec("decode", tmp_path / "a.npy", back, "--model", tiny_model_dir).exit_code == 0
    assert soundfile.info(back).frames == 9000


def test_skip_existing_leaves_finished_files_alone(tiny_model_dir, tmp_path, codec):
    for name in ("a", "b"):
        write_audio(tmp_path / "in" / f"{name}.wav", 1000)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.npy").write_bytes(b"finished")
    command = ("encode", tmp_path / "in", tmp_path / "out", "--model", tiny_model_dir)
    outcome = codec(*command, "--skip-existing")
    assert outcome.exit_code == 0 and "1 of 2 files done, 1 were there already" in outcome.err
    assert (tmp_path / "out" / "a.npy").read_bytes() == b"finished"


def test_an_output_that_cannot_be_written_is_one_line(tiny_model_dir, tmp_path, codec):
    source = write_audio(tmp_path / "a.wav", 1000)
    outcome = codec("encode", source, "/proc/none/a.npy", "--model", tiny_model_dir)
    assert outcome.exit_code == 1 and "cannot write" in outcome.err


def test_pipes_carry_audio_in_codes_between_and_audio_out(tiny_model_dir, tmp_path):
    source = write_audio(tmp_path / "a.flac", 9001, 16_000)
    command = f"{sys.executable} -m audiocodec"
    model = f"--model {tiny_model_dir}"
    with open(source, "rb") as stdin:
        result = subprocess.run(
            f"{command} encode - - {model} | {command} decode - - {model}",
            shell=True,
            stdin=stdin,
            capture_output=True,
            check=True,
        )
    (tmp_path / "back.wav").write_bytes(result.stdout)
    assert soundfile.info(tmp_path / "back.wav").frames == 9001
    assert soundfile.info(tmp_path / "back.wav").samplerate == 16_000


def test_a_channel_is_coded_like_a_file_of_its_own(tiny_model_dir, tmp_path, codec):
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, (5_000, 3))
    soundfile.write(tmp_path / "three.wav", sound, 24_000)
    soundfile.write(tmp_path / "second.wav", sound[:, 1], 24_000)
    options = ("--model", tiny_model_dir)
    expected = encoded_codes(codec, tmp_path, "second.wav", *options)
    three = (codec, tmp_path, "three.wav", *options)
    np.testing.assert_array_equal(encoded_codes(*three, "--channel", 1), expected)
    each = encoded_codes(*three, "--channel", "each")
    assert len(each) == 3
    np.testing.assert_array_equal(each[1], expected)
    for wrong, exit_code in (("3", 1), ("left", 2), ("-1", 2)):
        words = ("encode", tmp_path / "three.wav", tmp_path / "no.npy", *options)
        try:
            found = codec(*words, "--channel", wrong).exit_code
        except SystemExit as stop:  # argparse
            found = stop.code
        assert found == exit_code and not (tmp_path / "no.npy").exists()


def encoded_codes(codec, folder, name, *options):
    assert codec("encode", folder / name, folder / "x.npy", *options).exit_code == 0
    return np.load(folder / "x.npy")


def test_truncated_audio_is_coded_as_far_as_it_goes_if_asked_for(tiny_model_dir, tmp_path, codec):
    source = write_audio(tmp_path / "a.wav", 9_000)
    source.write_bytes(source.read_bytes()[: 44 + 2 * 6_000])
    words = ("encode", source, tmp_path / "a.npy", "--model", tiny_model_dir)
    outcome = codec(*words)
    assert outcome.exit_code == 1 and "truncated" in outcome.err
    assert not (tmp_path / "a.npy").exists()
    assert codec(*words, "--allow-truncated").exit_code == 0
    assert read_codes(tmp_path / "a.npy")[1].source_num_samples == 6_000
