"""Utterances of lhotse manifests: cuts, and recordings as whole ones (an extra)."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from audiocodec.audio import wav_bytes
from audiocodec.data import stores
from audiocodec.data.lists import Entry
from audiocodec.data.segments import Span
from audiocodec.data.stored import StoredFile, StoredSound
from audiocodec.errors import AudioError, DataError, one_line
from audiocodec.extras import extra

MANIFESTS = (".jsonl", ".jsonl.gz", ".json", ".json.gz", ".yaml", ".yaml.gz")
_TOLERANCE = 0.001  # seconds that a cut of a whole file may be shorter: times are rounded


@dataclass(frozen=True)
class CutSound(StoredSound):
    """A cut that lhotse makes the sound of: mixtures, changed speeds, one of several channels."""

    manifest: str
    name: str
    cut: str  # as JSON

    def __str__(self) -> str:
        return f"{self.manifest}#{self.name}"

    def read(self) -> bytes:
        with extra("lhotse"):
            from lhotse.serialization import deserialize_item
        try:
            cut = deserialize_item(json.loads(self.cut))
            waveform, rate = np.asarray(cut.load_audio(), np.float32), cut.sampling_rate
        except Exception as error:  # lhotse's readers raise whatever the file makes them stumble on
            raise AudioError(f"{self}: lhotse cannot read it: {one_line(error)}") from None
        return wav_bytes(waveform, rate)


def cut_entries(manifest: str) -> Iterator[tuple[str, Entry]]:
    """The cuts and recordings of a manifest; relative paths start from the current folder.

    Parts of plain files are read as everywhere else; lhotse makes the others.

    Raises:
        MissingPackage: lhotse is not installed.
        DataError: a manifest that cannot be read, or of another kind.
    """
    with extra("lhotse"):
        from lhotse.serialization import load_manifest_lazy_or_eager
    found = False
    with stores.local_copy(manifest) as path:
        if not path.is_file():
            raise DataError(f"{manifest}: no such manifest")
        try:
            items = load_manifest_lazy_or_eager(path)
            for item in items if items is not None else ():
                cut = item.to_cut() if type(item).__name__ == "Recording" else item
                if not hasattr(cut, "load_audio"):
                    raise DataError(f"{manifest}: has {type(item).__name__}s; give cuts")
                found = True
                yield cut.id, _entry(manifest, cut)
        except DataError:
            raise
        except Exception as error:  # as above
            reason = one_line(error) or type(error).__name__
            raise DataError(f"{manifest}: not readable as a lhotse manifest: {reason}") from None
    if not found:
        raise DataError(f"{manifest}: no cuts in it")


def _entry(manifest: str, cut: Any) -> Entry:
    heard = [part for part in getattr(cut, "supervisions", [])]
    speakers = sorted({part.speaker for part in heard if part.speaker})
    text = " ".join(part.text for part in heard if part.text)
    known = Entry(
        Path(manifest),
        speaker="+".join(speakers) or None,
        text=text or None,
        seconds=float(cut.duration),
    )
    recording = getattr(cut, "recording", None)
    if recording is not None and any(source.type == "command" for source in recording.sources):
        problem = f"{cut.id}: is a command, which is not run; write it to a file with save_audio"
        return known._replace(problem=problem)
    plain = _plain_source(cut, recording)
    if plain is None:
        cut_json = json.dumps(cut.to_dict(), ensure_ascii=False)
        return known._replace(sound=CutSound(manifest, cut.id, cut_json))
    whole = cut.start == 0 and abs(cut.duration - cut.recording.duration) < _TOLERANCE
    span = None if whole else Span(cut.start, cut.start + cut.duration)
    sound = StoredFile(plain, parts=span is not None) if stores.is_url(plain) else None
    return known._replace(path=Path(plain), span=span, sound=sound)


def _plain_source(cut: Any, recording: Any) -> str | None:
    """The file of a cut that is a part of a plain file with one channel; None for others."""
    if type(cut).__name__ != "MonoCut" or recording is None or recording.transforms:
        return None
    sources = recording.sources
    if len(sources) != 1 or len(sources[0].channels) != 1 or sources[0].type not in ("file", "url"):
        return None
    return str(sources[0].source)
