"""Photographs that scikit-image and scikit-learn ship; crops that depend on (seed, step) alone.

Split by photograph: what is measured was never trained on.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from audiocodec.errors import ConfigError

TRAIN = ("astronaut", "coffee", "rocket", "motorcycle_left", "flower")
VALID = ("chelsea", "china")


def photographs(names: tuple[str, ...]) -> list[Tensor]:
    """Each (3, height, width), 0 ... 1.

    Raises:
        ConfigError: scikit-image or scikit-learn is not installed.
    """
    try:
        import skimage.data
        import skimage.io
        import sklearn.datasets
    except ImportError as error:
        raise ConfigError(
            f"{error.name} is missing; pip install scikit-image scikit-learn"
        ) from None
    learn, image = Path(sklearn.datasets.__file__), Path(skimage.data.__file__)
    found = []
    for name in names:
        places = [*image.parent.glob(f"{name}.*"), *(learn.parent / "images").glob(f"{name}.*")]
        if not places:
            raise ConfigError(f"the installed packages ship no photograph {name!r}")
        pixels = np.asarray(skimage.io.imread(places[0]))[..., :3]
        found.append(torch.from_numpy(pixels.copy()).movedim(-1, 0).float() / 255)
    return found


def crops(pictures: list[Tensor], size: int, count: int, seed: int, step: int) -> Tensor:
    """(count, 3, size, size), mirrored or not, each photograph as likely as the others."""
    random = np.random.Generator(np.random.Philox(key=[seed, step]))
    rows = []
    for _ in range(count):
        picture = pictures[random.integers(len(pictures))]
        top = random.integers(picture.shape[1] - size + 1)
        left = random.integers(picture.shape[2] - size + 1)
        crop = picture[:, top : top + size, left : left + size]
        rows.append(crop.flip(-1) if random.random() < 0.5 else crop)
    return torch.stack(rows)


def tiles(pictures: list[Tensor], size: int) -> Tensor:
    """(n, 3, size, size): the photographs cut side by side, without what is left at the edges."""
    cut = []
    for picture in pictures:
        rows = picture.unfold(1, size, size).unfold(2, size, size)  # (3, down, across, size, size)
        cut.append(rows.movedim(0, 2).flatten(0, 1))
    return torch.cat(cut)
