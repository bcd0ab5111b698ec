from pathlib import Path

import pytest
import torch
from weights_on_disk import SAVED


@pytest.fixture(scope="session")
def saved(tmp_path_factory):
    """A folder of weights by its key in `SAVED`, made when first asked for."""
    folders: dict[str, Path] = {}

    def of(key: str) -> Path:
        if key not in folders:
            folder = tmp_path_factory.mktemp(key)
            torch.manual_seed(0)
            SAVED[key](folder)
            folders[key] = folder
        return folders[key]

    return of
