"""Models on the Hugging Face hub: `hub:owner/name@revision`, or `owner/name` as its users say it.

Only the files of a model folder are asked for, none of which is a pickle. They lie in the hub's own
cache, which other programs share, so a model is fetched once and is there without a network.
"""

import hashlib
import importlib.util
import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audiocodec._version import __version__
from audiocodec.errors import ModelError, one_line
from audiocodec.extras import extra

PREFIX = "hub:"
_PART = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_NAME = re.compile(rf"({_PART}/{_PART})(?:@([A-Za-z0-9][\w./-]*))?")
_CACHED = re.compile(r"models--(.+)--(.+)")  # the folder of a repository in the cache


@dataclass(frozen=True)
class HubName:
    """A repository and, if given, one of its branches, tags or commits."""

    repository: str
    revision: str | None = None

    def __str__(self) -> str:
        return f"{PREFIX}{self.repository}" + (f"@{self.revision}" if self.revision else "")


def hub_name(text: str) -> HubName | None:
    """What `text` names on the hub; None if it cannot name anything there.

    Without the prefix it is a name only if it cannot be a mistyped path: an `owner` that is a
    folder here is one.

    Raises:
        ModelError: the prefix is followed by something that is not a name.
    """
    match = _NAME.fullmatch(text.removeprefix(PREFIX))
    if text.startswith(PREFIX):
        if match is None:
            raise ModelError(f"model {text!r}: names on the hub are {PREFIX}owner/name[@revision]")
    elif match is None or Path(text).parent.exists():
        return None
    return HubName(match[1], match[2])


def fetch(name: HubName, files: Sequence[str]) -> Path:
    """The folder in the hub's cache with those of `files` that the repository has, up to date.

    Raises:
        MissingPackage: huggingface_hub is not installed.
        ModelError: the hub out of reach and nothing cached, no such repository or revision, or a
            file that is not what the hub has.
    """
    with extra("hub"):
        from huggingface_hub import errors, snapshot_download
    where = f"model {name}"
    try:
        folder = snapshot_download(
            name.repository,
            revision=name.revision,
            allow_patterns=list(files),
            endpoint=os.environ.get("HF_ENDPOINT"),
            library_name="audiocodec",
            library_version=__version__,
            tqdm_class=_bar_for_people(),
        )
    except errors.GatedRepoError:
        reason = "its owner grants access one by one; ask on its page, then run `hf auth login`"
        raise ModelError(f"{where}: {reason}") from None
    except errors.RepositoryNotFoundError:
        reason = "no such repository on the hub; if it is private, run `hf auth login`"
        raise ModelError(f"{where}: {reason}") from None
    except errors.RevisionNotFoundError:
        raise ModelError(f"{where}: the repository has no such revision") from None
    except errors.LocalEntryNotFoundError:
        reason = "the hub cannot be reached and the model was not fetched before"
        raise ModelError(f"{where}: {reason}; load a folder, or go online") from None
    except Exception as error:  # of the network, of a proxy, of the disk: whatever it uses raises
        raise ModelError(f"{where}: cannot be fetched: {one_line(error)[:300]}") from None
    for path in (Path(folder) / file for file in files):
        _check_digest(path, where)
    return Path(folder)


def _bar_for_people() -> Any:
    """A progress bar that keeps out of logs: it would be drawn even for what was fetched before."""
    with extra("hub"):
        from huggingface_hub.utils.tqdm import tqdm

    class Bar(tqdm):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options | {"disable": not sys.stderr.isatty()})

    return Bar


def cached_models(weights_file: str) -> Iterator[tuple[HubName, Path]]:
    """The models that were fetched before, without a network."""
    if importlib.util.find_spec("huggingface_hub") is None:
        return
    with extra("hub"):
        from huggingface_hub.constants import HF_HUB_CACHE
    for path in sorted(Path(HF_HUB_CACHE).glob(f"models--*/snapshots/*/{weights_file}")):
        commit = path.parent.name
        repository = cached_repository(path.parent)
        names = [
            str(ref.relative_to(path.parents[2] / "refs"))
            for ref in sorted((path.parents[2] / "refs").rglob("*"))
            if ref.is_file() and ref.read_text(encoding="utf-8").strip() == commit
        ]
        if repository is not None:
            revision = next(iter(names), commit)
            yield HubName(repository, None if "main" in names else revision), path.parent


def cached_repository(folder: Path) -> str | None:
    """`owner/name` if `folder` is a snapshot in the hub's cache."""
    match = _CACHED.fullmatch(folder.parent.parent.name)
    return f"{match[1]}/{match[2]}" if match and folder.parent.name == "snapshots" else None


def _check_digest(path: Path, where: str) -> None:
    """The cache names contents by their digests; without links they have no such names."""
    if not path.is_symlink():
        return
    blob = path.parent / os.readlink(path)
    content = path.read_bytes()
    if _digest(content, len(blob.name)) not in (blob.name, None):
        raise ModelError(
            f"{where}: {path.name} is not what the hub has: its digest is not {blob.name}; "
            f"delete {blob.resolve()} and try again"
        )


def _digest(content: bytes, digits: int) -> str | None:
    if digits == 64:
        return hashlib.sha256(content).hexdigest()
    if digits == 40:  # small files have git's own
        blob = b"blob %d\0" % len(content) + content
        return hashlib.sha1(blob, usedforsecurity=False).hexdigest()
    return None
