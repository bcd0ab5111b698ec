"""The one way to open sound: all that reads audio, whole, in blocks or in part, comes here.

libsndfile reads what it can read exactly, ffmpeg all the rest. docs/formats.md has the table.
"""

import contextlib

from audiocodec.errors import AudioError
from audiocodec.soundfiles.base import CURE, AudioFile
from audiocodec.soundfiles.ffmpeg import FfmpegFile
from audiocodec.soundfiles.flac import stream_info
from audiocodec.soundfiles.headers import survey
from audiocodec.soundfiles.ogg import survey_pages
from audiocodec.soundfiles.sndfile import SndFile
from audiocodec.soundfiles.sources import Source, View, open_view, source_name
from audiocodec.soundfiles.tags import without_tags

# What commands take from a folder. A file that was named is opened whatever its suffix.
AUDIO_SUFFIXES = (
    *(".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".m4b", ".mp4", ".aac"),
    *(".webm", ".mka", ".mkv", ".avi", ".wma", ".aif", ".aiff", ".aifc", ".au", ".snd", ".sph"),
    *(".w64", ".rf64", ".caf", ".amr", ".3gp", ".ac3", ".ape", ".tta", ".wv", ".voc", ".mp2"),
    *(".mpc", ".dsf"),
)


def open_audio(source: Source, allow_truncated: bool = False) -> AudioFile:
    """The open file, before its first sample.

    Args:
        source: a path, a binary file that can seek, or a sound file inside of another file.
        allow_truncated: read a file that is not whole as far as it goes, and say so in the log.

    Raises:
        AudioError: missing, no audio, truncated, or with bytes that cannot be read.
    """
    name = source_name(source)
    view = open_view(source)
    try:
        return _opened(view, name, allow_truncated)
    except BaseException:
        view.close()
        raise


def stated_seconds(source: Source) -> float | None:
    """The duration that a file's header states and its size bears out; None where nothing but
    decoding the file could tell, or where there is no such file.
    """
    try:
        view = open_view(source)
    except AudioError:
        return None
    try:
        view = without_tags(view)
        found, flac = survey(view), stream_info(view.head)
        if view.head.startswith(b"OggS") or found.fault or not (found.exact or flac):
            return None
        file = SndFile(view, source_name(source), flac, found.num_samples)
        return file.num_samples / file.sample_rate
    except (AudioError, OSError, RuntimeError):
        return None
    finally:
        view.close()


def _opened(view: View, name: str, allow_truncated: bool) -> AudioFile:
    view = without_tags(view)
    found = survey_pages(view) if view.head.startswith(b"OggS") else survey(view)
    fault, flac = found.fault, stream_info(view.head)
    if not fault and (found.exact or flac):
        with contextlib.suppress(OSError, RuntimeError):  # then ffmpeg may know better
            file = SndFile(view, name, flac, found.num_samples)
            if not allow_truncated:
                return file
            try:
                file.measure()
                return file
            except AudioError as error:
                fault = str(error)
    if fault and not allow_truncated:
        raise AudioError(f"{name}: {fault}; {CURE}")
    return FfmpegFile(view, name, fault if allow_truncated else None)
