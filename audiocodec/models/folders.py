"""Where models are: those in the package by name, others by path. Needs no torch."""

from pathlib import Path

from audiocodec.errors import ModelError

ASSETS = Path(__file__).parent.parent / "assets"
DEFAULT_MODEL = "speech_24k"
CONFIG_FILE, WEIGHTS_FILE = "config.yaml", "codec.safetensors"


def shipped_models() -> list[str]:
    """The names of the models inside the package."""
    return sorted(path.parent.name for path in ASSETS.glob(f"*/{WEIGHTS_FILE}"))


def model_folder(path_or_name: str | Path) -> Path:
    """The folder of a shipped model's name or of a path.

    Raises:
        ModelError: neither a shipped name nor a folder with both files.
    """
    shipped = ASSETS / path_or_name
    folder = shipped if str(path_or_name) in shipped_models() else Path(path_or_name)
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        if not (folder / name).is_file():
            raise ModelError(
                f"model {str(path_or_name)!r}: no {folder / name}; give a model folder or one of: "
                f"{', '.join(shipped_models())}"
            )
    return folder
