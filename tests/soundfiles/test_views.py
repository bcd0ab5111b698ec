"""A sound file inside of another file is read as if it were a file of its own."""

from pathlib import Path

import numpy as np
import pytest

from audiocodec.audio import audio_info, read_audio
from audiocodec.audio_blocks import AudioReader
from audiocodec.errors import AudioError
from audiocodec.soundfiles.sources import FilePart, SoundBytes, Source, source_name
from tests.soundfiles.made import Made, all_made

MADE = {made.name: made for made in all_made()}


def found(source: Source) -> "tuple[object, ...] | str":
    """What the ways to read a sound give, or what is wrong with it."""
    try:
        whole = read_audio(source, channel="each").waveform
        blocks = list(AudioReader(source).blocks(channel="each"))
        part = read_audio(source, 16_000, start=150, num_samples=400).waveform
        return audio_info(source), whole, np.concatenate(blocks, axis=1), part
    except AudioError as error:
        return str(error).replace(source_name(source), "NAME")


@pytest.mark.parametrize("made", MADE.values(), ids=MADE)
def test_all_that_can_be_read_from_a_file_can_be_read_from_inside_of_one(made: Made, tmp_path):
    alone, shard = tmp_path / made.name, tmp_path / "shard.tar"
    alone.write_bytes(made.data)
    shard.write_bytes(b"before" * 99 + made.data + b"RIFF behind" * 500)
    wanted = found(alone)
    inside = FilePart(shard, 594, len(made.data), f"{shard} (x)")
    for source in (inside, SoundBytes(made.data, "row 3")):
        np.testing.assert_equal(found(source), wanted)


def test_what_is_not_there_is_named(tmp_path: Path):
    (tmp_path / "short.tar").write_bytes(MADE["pcm.wav"].data[:-10])
    with pytest.raises(AudioError, match=r"gone\.tar: no such"):
        audio_info(FilePart(tmp_path / "gone.tar", 0, 99, "x"))
    with pytest.raises(AudioError, match=r"^x: truncated"):
        audio_info(FilePart(tmp_path / "short.tar", 0, len(MADE["pcm.wav"].data), "x"))
    with pytest.raises(AudioError, match=r"^x: "):
        audio_info(FilePart(tmp_path / "short.tar", 10**9, 99, "x"))
