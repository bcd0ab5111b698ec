"""Whatever holds the sounds of a corpus, its utterances have the same ids and samples."""

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest
import soundfile

from audiocodec.audio import AUDIO_SUFFIXES, read_waveform
from audiocodec.data import stores
from audiocodec.data.lists import Entry
from audiocodec.data.segments import read_span
from audiocodec.data.sources.kinds import source_entries
from audiocodec.errors import AudioError, DataError

RATE = 16_000
Sounds = dict[str, np.ndarray]


@pytest.fixture
def sounds() -> Sounds:
    return {
        f"utt{i}": np.random.default_rng(i).uniform(-0.3, 0.3, 800 + 10 * i).astype(np.float32)
        for i in range(5)
    }


@pytest.fixture
def memory() -> Iterator[str]:
    """A folder in fsspec's memory."""
    yield "memory://corpus"
    fsspec.filesystem("memory").store.clear()


def wav(samples: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, RATE, format="WAV", subtype="FLOAT")
    return buffer.getvalue()


def read(entry: Entry) -> np.ndarray:
    """As the pipeline does."""
    if entry.problem:
        raise AudioError(entry.problem)
    source = entry.path if entry.sound is None else entry.sound.source()
    if entry.span is not None:
        return read_span(source, entry.span).waveform[0]
    return read_waveform(source)[0]


def check(given: str, sounds: Sounds) -> dict[str, Entry]:
    entries = dict(source_entries(given, AUDIO_SUFFIXES))
    assert list(entries) == list(sounds)
    for name, entry in entries.items():
        np.testing.assert_array_equal(read(entry), sounds[name])
    return entries


def as_folder(folder: str, sounds: Sounds) -> str:
    for name, samples in sounds.items():
        stores.write_bytes(stores.join(folder, f"{name}.wav"), wav(samples))
    return folder


def as_list(folder: str, sounds: Sounds) -> str:
    as_folder(stores.join(folder, "wav"), sounds)
    lines = [f"{name} {stores.join(folder, 'wav', name)}.wav\n" for name in sounds]
    stores.write_bytes(stores.join(folder, "wav.scp"), "".join(lines).encode())
    return stores.join(folder, "wav.scp")


def as_data_dir_of_segments(folder: str, sounds: Sounds) -> str:
    """One recording of all utterances."""
    whole, lines, begin = np.concatenate([*sounds.values()]), [], 0
    for name, samples in sounds.items():
        lines.append(f"{name} all {begin / RATE:.7f} {(begin + len(samples)) / RATE:.7f}\n")
        begin += len(samples)
    tables = {
        "all.wav": wav(whole),
        "wav.scp": f"all {stores.join(folder, 'all.wav')}\n".encode(),
        "segments": "".join(lines).encode(),
        "utt2spk": "".join(f"{name} ann\n" for name in sounds).encode(),
        "text": "".join(f"{name} hello {name}\n" for name in sounds).encode(),
    }
    for name, data in tables.items():
        stores.write_bytes(stores.join(folder, name), data)
    return folder


def as_tar(folder: str, sounds: Sounds) -> str:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, samples in sounds.items():
            values = json.dumps({"speaker": "ann", "text": f"hello {name}"}).encode()
            for suffix, data in (("json", values), ("wav", wav(samples))):
                member = tarfile.TarInfo(f"{name}.{suffix}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    stores.write_bytes(stores.join(folder, "shard.tar"), buffer.getvalue())
    return stores.join(folder, "shard.tar")


def parquet(column: Callable[[str, np.ndarray], object]) -> Callable[[str, Sounds], str]:
    def write(folder: str, sounds: Sounds) -> str:
        pyarrow = pytest.importorskip("pyarrow")
        write_table = pytest.importorskip("pyarrow.parquet").write_table
        names = [*sounds]
        columns = {
            "id": names,
            "audio": [column(*pair) for pair in sounds.items()],
            "speaker": ["ann"] * len(names),
            "text": [f"hello {name}" for name in names],
        }
        buffer = io.BytesIO()
        write_table(pyarrow.table(columns), buffer, row_group_size=2)
        stores.write_bytes(stores.join(folder, "table.parquet"), buffer.getvalue())
        return stores.join(folder, "table.parquet")

    return write


KINDS: dict[str, Callable[[str, Sounds], str]] = {
    "folder": as_folder,
    "list": as_list,
    "segments": as_data_dir_of_segments,
    "tar": as_tar,
    "parquet of bytes": parquet(lambda name, samples: wav(samples)),
    "parquet of bytes and paths": parquet(lambda name, samples: {"bytes": wav(samples)}),
    "parquet of arrays": parquet(
        lambda name, samples: {"array": samples.tolist(), "sampling_rate": RATE}
    ),
}
SPEAKING = {"segments", "tar", *(kind for kind in KINDS if kind.startswith("parquet"))}


@pytest.mark.parametrize("place", ["disk", "memory"])
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_source_gives_the_same_sounds(kind, place, sounds, memory, tmp_path):
    folder = str(tmp_path) if place == "disk" else memory
    entries = check(KINDS[kind](folder, sounds), sounds)
    if kind in SPEAKING:
        assert {entry.speaker for entry in entries.values()} == {"ann"}
        assert {entry.text for entry in entries.values()} == {f"hello {name}" for name in sounds}


def test_a_saved_dataset_is_read_without_the_package_that_wrote_it(sounds, tmp_path):
    datasets = pytest.importorskip("datasets")
    audio = [{"bytes": wav(samples), "path": "a.wav"} for samples in sounds.values()]
    dataset = datasets.Dataset.from_dict({"audio": audio, "id": [*sounds]})
    dataset = dataset.cast_column("audio", datasets.Audio(decode=False))
    dataset.save_to_disk(tmp_path / "one", num_shards=2)
    check(str(tmp_path / "one"), sounds)
    chosen = dataset.select([3, 1])
    datasets.DatasetDict({"dev": chosen}).save_to_disk(tmp_path / "splits")
    check(str(tmp_path / "splits"), {f"dev/{name}": sounds[name] for name in ("utt3", "utt1")})


def test_cuts_are_parts_of_files_and_whatever_else_lhotse_makes(sounds, tmp_path):
    lhotse = pytest.importorskip("lhotse", reason="pip install 'simvq-codec[lhotse]'")
    as_folder(str(tmp_path / "wav"), sounds)
    path = tmp_path / "wav" / "utt4.wav"
    recording = lhotse.Recording.from_file(path, recording_id="utt4")
    whole = recording.to_cut()
    heard = lhotse.SupervisionSegment("s", "utt4", 0, 0.05, speaker="ann", text="hello")
    whole.supervisions = [heard]
    part = whole.truncate(offset=0.01, duration=0.02)
    part.id = "part"
    twice = whole.append(whole)
    twice.id = "twice"
    whole.id = "whole"
    lhotse.CutSet.from_cuts([whole, part, twice]).to_file(tmp_path / "cuts.jsonl.gz")
    samples = sounds["utt4"]
    expected = {
        "whole": samples,
        "part": samples[160 : 160 + 320],
        "twice": np.concatenate([samples, samples]),
    }
    entries = check(str(tmp_path / "cuts.jsonl.gz"), expected)
    assert entries["whole"].sound is None and entries["part"].speaker == "ann"
    assert entries["part"].seconds == 0.02 and entries["twice"].text == "hello hello"


def test_a_folder_or_a_pattern_of_containers_stands_for_what_they_hold(sounds, memory):
    halves = [dict([*sounds.items()][:2]), dict([*sounds.items()][2:])]
    for index, half in enumerate(halves):
        as_tar(f"{memory}/{index}", half)
    check(memory, sounds)
    check(f"{memory}/*/shard.tar", sounds)


def test_damage_is_an_entry_or_an_error_of_the_file_and_nothing_else(sounds, tmp_path):
    path = Path(as_tar(str(tmp_path), sounds))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    entries = dict(source_entries(str(path), AUDIO_SUFFIXES))
    assert "damaged behind" in entries.popitem()[1].problem
    for name, entry in entries.items():
        np.testing.assert_array_equal(read(entry), sounds[name])
    path.write_bytes(b"nonsense" * 100)
    (tmp_path / "a.parquet").write_bytes(b"nonsense")
    for name in (path, tmp_path / "a.parquet", tmp_path / "b.parquet", "memory://no/thing.tar"):
        with pytest.raises(DataError, match=Path(name).name):
            list(source_entries(str(name), AUDIO_SUFFIXES))


def test_a_missing_sound_is_its_own_fault_and_a_silent_store_is_not(memory, sounds, monkeypatch):
    as_list(memory, sounds)
    entries = dict(source_entries(f"{memory}/wav.scp", AUDIO_SUFFIXES))
    store = fsspec.filesystem("memory")
    store.rm("/corpus/wav/utt0.wav")
    with pytest.raises(AudioError, match=r"memory://corpus/wav/utt0\.wav: no such audio file"):
        read(entries["utt0"])

    def refuse(*_: object, **__: object) -> bytes:
        raise ConnectionError("no route")

    monkeypatch.setattr(type(store), "cat_file", refuse)
    with pytest.raises(stores.StoreError, match=r"utt1\.wav: the store does not .*: no route"):
        read(entries["utt1"])


def test_a_store_that_is_no_object_store_gets_whole_files_by_renaming(tmp_path):
    url = f"local://{tmp_path}/new/a.bin"
    assert stores.is_url(url)
    stores.write_bytes(url, b"whole")
    assert stores.read_bytes(url) == b"whole" and stores.names_in(f"local://{tmp_path}/new") == {
        "a.bin"
    }
