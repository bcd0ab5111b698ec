"""Models of the transformers library, from a folder as `save_pretrained` writes it."""

import json
from pathlib import Path
from typing import Any

from audiocodec.errors import ModelError
from audiocodec.extras import extra


def transformers_folder(folder: Path, kind: str) -> bool:
    """Whether `folder` holds a transformers model of this kind.

    Raises:
        ModelError: it holds one of another kind.
    """
    try:
        found = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return False
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder / 'config.json'}: is not JSON: {error}") from error
    model_type = found.get("model_type") if isinstance(found, dict) else None
    if model_type != kind:
        raise ModelError(f"{folder}: config.json is of model type {model_type!r}, not {kind!r}")
    return True


def transformers_model(kind: str, folder: Path | None, **options: Any) -> Any:
    """`EncodecModel`, `DacModel` or `MimiModel`: from a folder, else random with `options`."""
    with extra("peers"):
        import transformers
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    model_class = getattr(transformers, f"{kind}Model")
    if folder is None:
        return model_class(getattr(transformers, f"{kind}Config")(**options))
    model, report = model_class.from_pretrained(
        folder, local_files_only=True, output_loading_info=True
    )
    if missing := sorted(report["missing_keys"]):  # these would have been drawn at random
        raise ModelError(f"{folder}: lacks {len(missing)} weights, such as {missing[0]}")
    return model
