import os
from pathlib import Path

import pytest

from audiocodec.data.data_dir import Utterance, read_data_dir, write_data_dir
from audiocodec.data.lists import Entry, read_entries, read_table
from audiocodec.errors import DataError

TEXT = "a x.wav\nb y z.wav\n"


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode("utf-8-sig"),
        TEXT.encode("utf-16"),
        b"a x.wav\r\nb y z.wav\r\n",
        b"a x.wav\rb y z.wav",
        b"a \t  x.wav \t\n\n   \n b\ty z.wav  \n",
        "\ufeffa x.wav\n\ufeffb y z.wav\u200b\n".encode(),  # files with marks, joined
        "a\u00a0x.wav\nb\u3000y z.wav\u00a0\n".encode(),
    ],
    ids=["mark", "utf-16", "dos", "mac", "blanks", "joined", "wide"],
)
def test_what_cannot_be_seen_is_part_of_no_id_and_no_path(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "list.scp").write_bytes(data)
    entries = {"a": Entry(Path("x.wav")), "b": Entry(Path("y z.wav"))}
    assert read_entries(tmp_path / "list.scp") == entries


def test_names_that_are_no_utf_8_survive_a_data_directory(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    rows = [Utterance(name, Path(f"/a/{name}.wav"), name, 5, 16_000)]
    write_data_dir(tmp_path, rows)
    assert read_data_dir(tmp_path) == rows
    assert (tmp_path / "wav.scp").read_bytes() == b"caf\xe9 /a/caf\xe9.wav\n"


@pytest.mark.parametrize("data", [b"a \0x\n", b"\x7fELF\0\0"])
def test_what_is_no_text_is_no_table(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "list.scp").write_bytes(data)
    with pytest.raises(DataError, match="no text"):
        read_table(tmp_path / "list.scp")


def test_a_device_is_no_table() -> None:
    with pytest.raises(DataError, match="no text"):
        read_table(Path("/dev/zero"))
