"""Packages that only some uses need. Each belongs to an extra of the distribution (setup.cfg).

They are imported where they are used, inside `with extra(...)`, so that a package that is missing
costs one clear line and nothing else.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from audiocodec.errors import MissingPackage, one_line

DISTRIBUTION = "simvq-codec"  # the name on the package index; the import name is audiocodec
PURPOSES = {
    "entropy": "entropy coding",
    "eval": "scoring",
    "formats": "reading other formats than WAV, FLAC, AIFF and Ogg Vorbis",
    "hub": "the Hugging Face hub",
    "lhotse": "reading lhotse manifests",
    "onnx-export": "writing ONNX graphs",
    "parquet": "reading and writing Parquet",
    "peers": "running other codecs",
    "ray": "encoding and scoring on a Ray cluster",
    "remote": "reading and writing behind URLs",
    "pitch": "tracking pitch with CREPE",
    "torch": "this",
    "train": "training and preparing data",
    "web": "drawing figures and writing pages",
}


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Import packages of the extra `name` in this block.

        with extra("eval"):
            import pandas as pd

    Raises:
        MissingPackage: one of them is not installed or does not load.
    """
    try:
        yield
    except MissingPackage:  # of another extra
        raise
    except ImportError as error:
        raise missing(error, name) from None


def missing(error: ImportError, name: str) -> MissingPackage:
    """What to say when an import failed that the extra `name` is for."""
    package = (error.name or "a package").partition(".")[0]
    reason = "" if isinstance(error, ModuleNotFoundError) else f" ({one_line(error)})"
    return MissingPackage(
        f"{PURPOSES[name]} needs {package}{reason}: "
        f"pip install '{DISTRIBUTION}[{name}]', or '.[{name}]' in a clone"
    )


@contextmanager
def torch_named(name: str = "torch") -> Iterator[None]:
    """Around what imports modules of layers, which import PyTorch at their top: if it is missing,
    say that the extra `name` has it.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise missing(error, name) from None
