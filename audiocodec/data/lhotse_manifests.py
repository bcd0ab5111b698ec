"""Recordings from lhotse manifests of recordings, supervisions and cuts (an extra).

A data directory holds whole files, so what a manifest describes as a part or a mixture of files is
left out, each with its reason.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from audiocodec.data.prepare import Recording, as_word
from audiocodec.errors import DataError
from audiocodec.extras import extra

TOLERANCE = 0.01  # seconds that a whole recording and its cut may differ by: times are rounded
UNKNOWN_SPEAKER = "unknown"


def lhotse_recordings(
    manifests: Sequence[Path], root: Path | None = None
) -> tuple[list[Recording], list[str]]:
    """The files of manifests, and one line for each entry that is not a whole file.

    A cut is an utterance with its own id and speaker. A recording is one, too, with the speaker of
    the supervisions of it that are among the manifests; several speakers are joined by "+".

    Args:
        root: what relative paths start from; the current folder without it, as in lhotse.

    Raises:
        MissingPackage: lhotse is not installed.
        DataError: a manifest cannot be read or is of another kind, or none has recordings or cuts.
    """
    entries = [entry for path in manifests for entry in _entries(path)]
    speakers: dict[str, set[str]] = defaultdict(set)
    for entry in entries:
        if _kind(entry) == "SupervisionSegment" and entry.speaker:
            speakers[entry.recording_id].add(entry.speaker)
    named = (entry for entry in entries if _kind(entry) != "SupervisionSegment")
    found = [_recording(entry, speakers, root or Path()) for entry in named]
    recordings = [item for item in found if isinstance(item, Recording)]
    problems = [item for item in found if isinstance(item, str)]
    if not found:
        names = ", ".join(str(path) for path in manifests)
        raise DataError(f"{names}: no recordings or cuts in it; supervisions alone name no files")
    return recordings, problems


def _entries(path: Path) -> Iterator[Any]:
    with extra("lhotse"):
        from lhotse.serialization import load_manifest_lazy_or_eager
    if not path.is_file():
        raise DataError(f"{path}: no such manifest")
    try:
        manifest = load_manifest_lazy_or_eager(path)
        yield from () if manifest is None else manifest
    except Exception as error:  # lhotse's readers raise whatever the file makes them stumble over
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise DataError(f"{path}: not readable as a lhotse manifest: {reason}") from None


def _kind(entry: Any) -> str:
    return type(entry).__name__


def _recording(entry: Any, speakers: dict[str, set[str]], root: Path) -> Recording | str:
    """The file of a recording or cut, or why it is not one."""
    if _kind(entry) == "Recording":
        return _file(entry, entry.id, speakers[entry.id], root)
    if _kind(entry) not in ("MonoCut", "MultiCut"):
        return f"{entry.id}: is a {_kind(entry)}, not a file; write it as one with save_audio"
    recording = entry.recording
    if recording is None:
        return f"{entry.id}: has no recording"
    if entry.start > TOLERANCE or abs(entry.duration - recording.duration) > TOLERANCE:
        return f"{entry.id}: is a part of {recording.id}; write it as a file with save_audio"
    named = {supervision.speaker for supervision in entry.supervisions if supervision.speaker}
    return _file(recording, entry.id, named or speakers[recording.id], root)


def _file(recording: Any, name: str, speakers: Iterable[str], root: Path) -> Recording | str:
    if recording.transforms:
        return f"{name}: is transformed when it is read; write it as a file with save_audio"
    sources = [source for source in recording.sources if source.type == "file"]
    if len(sources) != 1 or len(recording.sources) != 1:
        kinds = ", ".join(source.type for source in recording.sources)
        return f"{name}: its audio is not a single file ({kinds or 'nothing'})"
    speaker = as_word("+".join(sorted(speakers))) or UNKNOWN_SPEAKER
    return Recording(as_word(name), speaker, (root / sources[0].source).absolute())
