"""A copy of the recipes to run them in."""

import shutil
from pathlib import Path

import pytest
from fabricated import ROOT, TINY


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A copy of the recipes, so that nothing is written into the checkout."""
    for name in ("recipes", "egs"):
        left_out = shutil.ignore_patterns("data", "exp", "downloads", ".stages")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=left_out)
    (tmp_path / "tiny.yaml").write_text(TINY)
    return tmp_path
