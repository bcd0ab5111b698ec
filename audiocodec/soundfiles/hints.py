"""What a file may be that no decoder knows."""

_CONTAINERS = {
    b"RIFF": "a WAV file",
    b"riff": "a W64 file",
    b"fLaC": "a FLAC file",
    b"OggS": "an Ogg file",
    b"FORM": "an AIFF file",
    b"ID3": "an MP3 file",
    b"\x1aE\xdf\xa3": "a WebM or Matroska file",
}
_VIDEO = "this may be a video; take out its sound: ffmpeg -i IN -vn OUT.wav"
_OTHERS = {
    b"\x93NUMPY": "this is a NumPy array; codec decode turns codes into sound",
    b"\x89CODE": "this is a code file; codec decode turns it into sound",
    b"version https://git-lfs": "this is a placeholder of Git LFS; run git lfs pull",
    b"#EXTM3U": "this is a playlist; give the files that it lists",
    b"<": "this is a web page or XML; was it downloaded from the right address?",
    b"FLV\x01": _VIDEO,
    b"\0\0\x01\xba": _VIDEO,  # MPEG program and transport streams
    b"\x47\x40": _VIDEO,
    b"PK\x03\x04": "this is a ZIP archive; unpack it",
    b"\x1f\x8b": "this is compressed by gzip; unpack it",
}


def no_sound(head: bytes) -> str:
    """What a file is, by its first bytes, that has no sound in it; "" if that cannot be said."""
    if not head:
        return "the file is empty"
    for magic, text in _OTHERS.items():
        if head.lstrip().startswith(magic):
            return text
    return (
        "" if head.strip(b"\0") else "it begins with nothing but zeros, as an unfinished copy does"
    )


def hint(head: bytes) -> str:
    """A guess from the first bytes of a file, and what to do."""
    for magic, name in _CONTAINERS.items():
        if head.startswith(magic):
            return f"it begins as {name}, but is truncated or damaged; get a whole copy"
    if head[4:8] == b"ftyp":
        return "it begins as an MP4 or M4A file, but is truncated or damaged; get a whole copy"
    return no_sound(head) or (
        "neither libsndfile nor ffmpeg knows its format; samples without a header need one: "
        "sox -t raw -r RATE -e signed -b 16 -c 1 IN OUT.wav"
    )
