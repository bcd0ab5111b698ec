"""The recordings of a data directory as audio shards: few large files for very many utterances."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from audiocodec.audio import AUDIO_SUFFIXES, audio_info, lossless_bytes, read_audio
from audiocodec.containers.audio_shards import FORMATS, Recording
from audiocodec.containers.shards import import_pyarrow
from audiocodec.data.data_dir import Utterance, read_data_dir
from audiocodec.data.lines import table_lines
from audiocodec.errors import AudioError
from audiocodec.extras import extra
from audiocodec.files import atomic_path
from audiocodec.signatures import container_of
from audiocodec.soundfiles.sources import open_view

with extra("train"):
    from joblib import Parallel, delayed

_PIECE = 1 << 30  # bytes; systems read no more than 2 GiB at once


@dataclass(frozen=True)
class Written:
    """What one shard took: how many utterances, or None if it was there already; and a line for
    each one that is left out.
    """

    path: Path
    count: int | None
    problems: tuple[str, ...] = ()


def shard_data_dir(
    folder: Path,
    output: Path,
    kind: str,
    size: int,
    *,
    jobs: int = 1,
    skip_existing: bool = False,
    progress: Callable[[int], object] = lambda count: None,
) -> list[Written]:
    """Write `size` utterances of a data directory to a shard, in its order.

    Files are stored as they are; parts of recordings (`segments`) as FLAC, or WAV of floats where
    that is exact and FLAC is not. A shard under its final name is complete.

    Args:
        kind: tar or parquet.
        jobs: shards that are written at once.

    Raises:
        DataError: no data directory.
        MissingPackage: pyarrow is needed and not installed.
        CodecError: the disk is full, or the like.
    """
    if kind == "parquet":
        import_pyarrow()
    utterances = read_data_dir(folder)
    text = folder / "text"
    texts = {key: value for _, key, value in table_lines(text)} if text.is_file() else {}
    starts = range(0, len(utterances), size)
    suffix, _ = FORMATS[kind]
    tasks = []
    for number, start in enumerate(starts):
        path = output / f"audio-{number:05d}-of-{len(starts):05d}{suffix}"
        rows = utterances[start : start + size]
        tasks.append(delayed(_write)(path, rows, start, texts, kind, skip_existing))
    written = []
    for result in Parallel(jobs, return_as="generator", prefer="threads")(tasks):
        written.append(result)
        progress(size)
    return written


def _write(
    path: Path,
    utterances: Sequence[Utterance],
    start: int,
    texts: Mapping[str, str],
    kind: str,
    skip_existing: bool,
) -> Written:
    if skip_existing and path.exists():
        return Written(path, None)
    problems: list[str] = []
    done = 0

    def recordings() -> Iterator[tuple[int, Recording]]:
        nonlocal done
        for number, utterance in enumerate(utterances, start):
            try:
                recording = read_recording(utterance, texts.get(utterance.id))
            except AudioError as error:
                problems.append(f"{utterance.id}: {error}")
            else:
                done += 1
                yield number, recording

    with atomic_path(path) as temporary:
        FORMATS[kind][1](temporary, recordings())
    return Written(path, done, tuple(problems))


def read_recording(utterance: Utterance, text: str | None = None) -> Recording:
    """The sound file of an utterance, with its true length and rate.

    Raises:
        AudioError: it cannot be read.
    """
    if utterance.recording is not None:
        start, count = utterance.start, utterance.num_samples
        waveform, info, _ = read_audio(
            utterance.path, start=start, num_samples=count, channel="each"
        )
        suffix, data = lossless_bytes(waveform, info.sample_rate)
        length, rate = waveform.shape[-1], info.sample_rate
    else:
        info = audio_info(utterance.path)
        length, rate = info.num_samples, info.sample_rate
        try:
            with closing(open_view(utterance.path)) as view:
                data = b"".join(view.read(at, _PIECE) for at in range(0, view.size, _PIECE))
        except OSError as error:
            raise AudioError(f"{utterance.path}: cannot read: {error.strerror}") from None
        suffix = utterance.path.suffix.lower()
        if suffix not in AUDIO_SUFFIXES:
            suffix = f".{container_of(data[:64]) or 'wav'}"
    return Recording(utterance.id, utterance.speaker, length, rate, suffix, data, text)
