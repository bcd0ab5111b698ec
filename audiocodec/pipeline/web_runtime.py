"""onnxruntime-web, which runs graphs in browsers: three files of one version of its npm package.

They are fetched once, checked, and kept in the user's cache folder.
"""

import base64
import hashlib
import io
import os
import shutil
import tarfile
import urllib.request
from http.client import HTTPException
from pathlib import Path

from audiocodec.errors import CodecError, one_line
from audiocodec.files import atomic_path, sha256_of

VERSION = "1.30.0"
_INTEGRITY = (  # of the package, as npm states it
    "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
)
_MAX_BYTES = 1 << 26
_TIMEOUT = 60  # seconds without an answer
FILES = {  # and their SHA-256
    "ort.wasm.min.mjs": "219e6a1fc8a9938268d18efca3c91d310bd2f4a59bbd13744df5b2b7fc6cee3b",
    "ort-wasm-simd-threaded.mjs": (
        "e13f7f94fc51b4ca72b12faeb1ee95f4ace6dfbc8939bc718aabdc0a27c4299b"
    ),
    "ort-wasm-simd-threaded.wasm": (
        "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2"
    ),
}


def copy_runtime(target: Path, source: Path | None = None) -> None:
    """Copy the runtime's files into a folder.

    Args:
        source: a folder that has them, such as the package's own `dist`; by default the cache,
            which is filled from the npm registry first if need be.

    Raises:
        CodecError: they are missing, not those of this version, or cannot be fetched.
    """
    if source is None:
        source = cache_folder() / f"onnxruntime-web-{VERSION}"
        if not all(_is_whole(source / name) for name in FILES):
            _fetch(source)
    for name in FILES:
        if not (source / name).is_file():
            raise CodecError(f"{source}: has no {name}; give `dist` of onnxruntime-web {VERSION}")
        if not _is_whole(source / name):
            raise CodecError(f"{source / name}: not that of onnxruntime-web {VERSION}")
        shutil.copyfile(source / name, target / name)


def cache_folder() -> Path:
    """Where what is fetched is kept: $XDG_CACHE_HOME, on Windows %LOCALAPPDATA%, or ~/.cache."""
    root = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(root) if root else Path.home() / ".cache") / "audiocodec"


def _is_whole(path: Path) -> bool:
    return path.is_file() and sha256_of(path) == FILES[path.name]


def _fetch(folder: Path) -> None:
    registry = os.environ.get("NPM_CONFIG_REGISTRY", "https://registry.npmjs.org").rstrip("/")
    url = f"{registry}/onnxruntime-web/-/onnxruntime-web-{VERSION}.tgz"
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer:
            package = answer.read(_MAX_BYTES)
    except (OSError, ValueError, HTTPException) as error:
        raise CodecError(
            f"{url} cannot be fetched ({one_line(error)}); elsewhere, `npm pack "
            f"onnxruntime-web@{VERSION}` fetches it: give the dist in it to --runtime-files"
        ) from None
    if base64.b64encode(hashlib.sha512(package).digest()).decode() != _INTEGRITY:
        raise CodecError(f"{url}: not the package that this version of audiocodec knows")
    with tarfile.open(fileobj=io.BytesIO(package)) as tar:
        for name in FILES:
            member = tar.extractfile(f"package/dist/{name}")
            assert member is not None
            with atomic_path(folder / name) as temporary:
                temporary.write_bytes(member.read())
