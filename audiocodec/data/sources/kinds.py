"""What an input stands for: its utterances, each with its id, whatever holds them."""

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from audiocodec.data import stores
from audiocodec.data.lines import table_lines
from audiocodec.data.lists import Entry, read_entries, read_table
from audiocodec.data.sources.cuts import MANIFESTS, cut_entries
from audiocodec.data.sources.tables import dataset_entries, is_dataset, parquet_entries
from audiocodec.data.sources.tar import tar_entries
from audiocodec.data.stored import StoredFile
from audiocodec.errors import ConfigError
from audiocodec.soundfiles.opening import AUDIO_SUFFIXES
from audiocodec.walk import walk

CONTAINERS = {".parquet": parquet_entries, ".tar": tar_entries}  # one file, many utterances
_TABLES = ("wav.scp", "segments", "utt2spk", "text", "utt2dur")  # of a data directory


def is_list(given: str) -> bool:
    """Whether an input is a list or a data directory, whose ids are those of its utterances."""
    return given.endswith(".scp") or _is_data_dir(given)


def holds_many(given: str) -> bool:
    """Whether an input stands for several utterances by its kind, even if it holds but one."""
    if is_list(given) or given.lower().endswith((*CONTAINERS, *MANIFESTS)):
        return True
    return stores.is_folder(given) or (stores.is_url(given) and stores.expanded(given) != [given])


def source_entries(given: str, suffixes: Sequence[str]) -> Iterator[tuple[str, Entry]]:
    """The utterances of an input: a file, a folder, a list, a data directory, a Parquet or tar
    file, a dataset on disk or a manifest of cuts; or the URL of one.

    Args:
        suffixes: of the files to take from a folder; their ids are their paths in it. A folder
            without such files stands for the Parquet and tar files in it.
    """
    for name in stores.expanded(given) if stores.is_url(given) else [given]:
        yield from _of_one(name, suffixes)


def _of_one(given: str, suffixes: Sequence[str]) -> Iterator[tuple[str, Entry]]:
    lower = given.lower()
    if is_list(given):
        yield from list_entries(given)
    elif reader := CONTAINERS.get(PurePosixPath(lower).suffix):
        yield from reader(given)
    elif lower.endswith(MANIFESTS):
        yield from cut_entries(given)
    elif not stores.is_folder(given):
        yield stores.stem(given), _file(given)
    elif is_dataset(given):
        yield from dataset_entries(given)
    else:
        yield from _folder(given, suffixes)


def _file(name: str) -> Entry:
    if stores.is_url(name):
        return Entry(Path(name), sound=StoredFile(name))
    return Entry(stores.local_path(name))


def _folder(given: str, suffixes: Sequence[str]) -> Iterator[tuple[str, Entry]]:
    if not stores.is_url(given):
        root = stores.local_path(given)
        files = walk(root, suffixes)
        for path in files:
            yield path.relative_to(root).with_suffix("").as_posix(), Entry(path)
        others = [] if files else [str(path) for path in walk(root, tuple(CONTAINERS))]
    else:
        urls = stores.files_below(given, suffixes)
        for url in urls:
            inside = PurePosixPath(url.removeprefix(given.rstrip("/") + "/"))
            yield str(inside.with_suffix("")), Entry(Path(url), sound=StoredFile(url))
        others = [] if urls else stores.files_below(given, tuple(CONTAINERS))
    for name in others:
        yield from _of_one(name, suffixes)


def _is_data_dir(given: str) -> bool:
    if not stores.is_url(given):
        path = stores.local_path(given)
        known = any((path / name).is_file() for name in ("utt2spk", "segments"))
        return known and (path / "wav.scp").is_file()
    if given.lower().endswith((*AUDIO_SUFFIXES, *CONTAINERS, *MANIFESTS)):
        return False
    names = stores.names_in(given)
    return "wav.scp" in names and bool({"utt2spk", "segments"} & names)


def list_entries(given: str) -> Iterator[tuple[str, Entry]]:
    """The entries of a list, and what its data directory says of speakers, texts and lengths."""
    if stores.is_url(given):
        yield from _list_behind_url(given)
        return
    path = stores.local_path(given)
    listed = path if given.endswith(".scp") else path / "wav.scp"
    entries = read_entries(listed)
    if listed.name != "wav.scp":
        yield from entries.items()
        return
    folder = listed.parent
    speakers = read_table(folder / "utt2spk") if (folder / "utt2spk").is_file() else {}
    texts = _texts(folder / "text")
    lengths = _seconds(folder / "utt2dur")
    for key, entry in entries.items():
        span = entry.span
        seconds = span.end - span.begin if span and span.end is not None else lengths.get(key)
        yield (
            key,
            entry._replace(speaker=speakers.get(key), text=texts.get(key), seconds=seconds),
        )


def _list_behind_url(given: str) -> Iterator[tuple[str, Entry]]:
    folder, name = (given, "wav.scp") if not given.endswith(".scp") else given.rsplit("/", 1)
    tables = _TABLES if name == "wav.scp" else (name,)
    if not stores.is_file(stores.join(folder, name)):
        raise ConfigError(f"{given}: no such list")
    with TemporaryDirectory(prefix="codec-") as copy:
        for table in tables:
            there = stores.join(folder, table)
            if table == name or stores.is_file(there):
                (Path(copy) / table).write_bytes(stores.read_bytes(there))
        yield from list_entries(str(Path(copy) / name))


def _texts(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    return {key: value for _, key, value in table_lines(path) if value}


def _seconds(path: Path) -> dict[str, float]:
    """The lengths of `utt2dur`; what is no number is left out."""
    lengths = {}
    for key, value in _texts(path).items():
        try:
            lengths[key] = float(value)
        except ValueError:
            continue
    return lengths
