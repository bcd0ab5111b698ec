"""The speech that the package ships."""

from pathlib import Path

from audiocodec.audio import AUDIO_SUFFIXES
from audiocodec.errors import AudioError

SAMPLES = Path(__file__).parent.parent / "assets" / "speech_samples"


def shipped_speech() -> list[Path]:
    """All shipped utterances.

    Raises:
        AudioError: they are not there.
    """
    paths = sorted(path for path in SAMPLES.rglob("*") if path.suffix in AUDIO_SUFFIXES)
    if not paths:
        raise AudioError(f"{SAMPLES}: no shipped speech; reinstall the package or give a file")
    return paths
