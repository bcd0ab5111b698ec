"""Scripts of version 0.1 keep working."""

import pytest

from audiocodec.cli.main import COMMANDS, build_parser
from audiocodec.cli.spellings import _COMMANDS, current


@pytest.mark.parametrize("former", _COMMANDS)
def test_every_former_command_is_a_command_of_today(former):
    words = current([former])
    assert " ".join(words[:2]) in COMMANDS or words[0] in COMMANDS
    assert former not in COMMANDS


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("train --cpu --workers 4 --output x", "train --device cpu --jobs 4 --output x"),
        ("train --workers=4", "train --jobs=4"),
        ("stream-encode --format s16le", "stream encode --sample-format s16le"),
        ("encode a.wav b.npy --format npz", "encode a.wav b.npy --format npz"),
        ("shard codes out --utterances 9", "convert --format parquet codes out --shard-size 9"),
        ("evaluate --data x", "evaluate --reference x"),
    ],
)
def test_former_options_are_todays(given, wanted):
    assert current(given.split()) == wanted.split()


def test_the_last_format_counts():
    arguments = current(["shard", "codes", "out", "--format", "webdataset"])
    assert build_parser("convert").parse_args(arguments).format == "webdataset"


def test_a_former_command_works_and_says_its_new_name(codec, caplog):
    assert codec("models").exit_code == 0
    assert "codec models is now called codec model list" in caplog.text
