"""The speech that the package ships."""

from pathlib import Path

from audiocodec.audio import AUDIO_SUFFIXES
from audiocodec.errors import AudioError

ASSETS = Path(__file__).parent.parent / "assets"
SAMPLES, DEMO = ASSETS / "speech_samples", ASSETS / "demo_speech"


def shipped_speech() -> list[Path]:
    """All utterances for tests and the mini recipe.

    Raises:
        AudioError: they are not there.
    """
    return _audio_below(SAMPLES)


def demo_speech() -> list[Path]:
    """The recordings that show a codec at work: two synthetic voices in one file, and real ones.

    Raises:
        AudioError: it is not there.
    """
    return _audio_below(DEMO)


def _audio_below(folder: Path) -> list[Path]:
    paths = sorted(path for path in folder.rglob("*") if path.suffix in AUDIO_SUFFIXES)
    if not paths:
        raise AudioError(f"{folder}: no shipped speech; reinstall the package or give a file")
    return paths
