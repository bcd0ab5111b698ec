"""Train, use and measure SimVQ neural audio codecs.

    >>> import audiocodec                                     # doctest: +SKIP
    >>> codec = audiocodec.load_codec()                       # doctest: +SKIP
    >>> codes = codec.encode(waveform, sample_rate)           # doctest: +SKIP
    >>> waveform = codec.decode(codes)                        # doctest: +SKIP

Names are resolved on first use: torch takes seconds to import and `codec --help` must not.
"""

from typing import TYPE_CHECKING, Any

from audiocodec._version import __version__

if TYPE_CHECKING:
    from audiocodec.models.bundle import load_codec
    from audiocodec.models.codec import Codec

__all__ = ["Codec", "__version__", "load_codec"]


def __getattr__(name: str) -> Any:
    if name == "load_codec":
        from audiocodec.models.bundle import load_codec

        return load_codec
    if name == "Codec":
        from audiocodec.models.codec import Codec

        return Codec
    raise AttributeError(f"module 'audiocodec' has no attribute {name!r}")
