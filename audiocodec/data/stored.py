"""Sound that is no local file of its own: behind a URL, in a row of a table, in a tar file."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache

from audiocodec.data import stores
from audiocodec.errors import AudioError, DataError
from audiocodec.soundfiles.sources import SoundBytes, Source


class StoredSound(ABC):
    """Where the bytes of one sound file are; small, hashable, and may be sent to other machines."""

    @abstractmethod
    def __str__(self) -> str:
        """What messages and manifests call it."""

    @property
    def container(self) -> str | None:
        """The file that holds the sounds of many utterances, if one does."""
        return None

    @abstractmethod
    def read(self) -> bytes:
        """All bytes of the sound file.

        Raises:
            AudioError: it is not there, or damaged.
            StoreError: the store does not answer.
        """

    def source(self) -> Source:
        """The sound file, as readers of audio take it.

        Raises:
            AudioError, StoreError: as of `read`.
        """
        return SoundBytes(self.read(), str(self))


@dataclass(frozen=True)
class StoredFile(StoredSound):
    """A file behind a URL; `parts` if several utterances are parts of it."""

    url: str
    parts: bool = False

    def __str__(self) -> str:
        return self.url

    def read(self) -> bytes:
        try:
            return _recent(self.url) if self.parts else stores.read_bytes(self.url)
        except DataError:
            raise AudioError(f"{self.url}: no such audio file") from None


@lru_cache(maxsize=2)
def _recent(url: str) -> bytes:
    """Parts of a file follow one another: it is fetched once for many."""
    return stores.read_bytes(url)
