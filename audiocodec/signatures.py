"""What a file is by its first bytes."""

_STARTS = {
    b"RIFX": "wav",
    b"RF64": "wav",
    b"BW64": "wav",
    b"riff\x2e\x91\xcf\x11": "w64",
    b"fLaC": "flac",
    b"OggS": "ogg",
    b"ID3": "mp3",
    b".snd": "au",
    b"caff": "caf",
    b"NIST_1A": "sph",
    b"\x1aE\xdf\xa3": "webm",
    b"MThd": "mid",
    b"PK\x03\x04": "zip",
    b"\x93NUMPY": "npy",
}


def container_of(start: bytes) -> str | None:
    """The usual suffix of an audio (or array) file that begins with `start`; None for any other.

    MP3 without a tag is not told: its first bytes are as likely those of samples.
    """
    if start[:4] == b"RIFF" and start[8:12] == b"WAVE":
        return "wav"
    if start[:4] == b"FORM" and start[8:12] in (b"AIFF", b"AIFC"):
        return "aiff"
    if start[4:8] == b"ftyp":
        return "m4a"
    return next((suffix for magic, suffix in _STARTS.items() if start.startswith(magic)), None)
