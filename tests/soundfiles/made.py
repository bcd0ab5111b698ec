"""Sound files of many formats, whole, cut, joined, and with headers that are wrong."""

import io
import struct
import tempfile
from typing import NamedTuple

import av
import numpy as np
import soundfile

from audiocodec.soundfiles.ogg import checksum

RATE, NUM_SAMPLES = 16_000, 40_003
VBR = {"flags": "+qscale", "global_quality": "400"}
LOSSLESS, LOSSY = 1 / 32768, 0.05


class Made(NamedTuple):
    """A file of `num_samples` (None: what ffmpeg says) that are those of `source()` within
    `tolerance`, or one that is an error which says `fault`.
    """

    name: str
    data: bytes
    num_samples: int | None = NUM_SAMPLES
    tolerance: float = LOSSLESS
    fault: str = ""
    rate: int = RATE


def source(channels: int = 1, num_samples: int = NUM_SAMPLES) -> np.ndarray:
    """(time, channels) float64: gliding tones, a new one in each channel, and some noise."""
    time = np.arange(num_samples) / RATE
    tones = [np.sin(2 * np.pi * (300 + 200 * k + 90 * time) * time) for k in range(channels)]
    noise = np.random.default_rng(0).standard_normal((num_samples, channels))
    return 0.3 * np.stack(tones, axis=1) + 0.01 * noise


def written(form: str, subtype: str, channels: int = 1, endian: str = "FILE") -> bytes:
    """A file by libsndfile."""
    file = io.BytesIO()
    soundfile.write(file, source(channels), RATE, format=form, subtype=subtype, endian=endian)
    return file.getvalue()


def encoded(
    form: str, codec: str, rate: int = RATE, encoder: dict[str, str] | None = None, **muxer: str
) -> bytes:
    """A file by ffmpeg; `rate` is what the encoder works at, the others are options."""
    samples = source()[:, 0].astype(np.float32)[None]
    frame = av.AudioFrame.from_ndarray(samples, "fltp", "mono")
    frame.sample_rate = RATE
    with tempfile.NamedTemporaryFile() as file:  # the index of MP4 is moved by reading it again
        with av.open(file.name, "w", format=form, options=muxer) as container:
            stream = container.add_stream(codec, rate=rate, layout="mono", options=encoder or {})
            resampler = av.AudioResampler(stream.format, "mono", rate, stream.frame_size or 1024)
            for piece in [*resampler.resample(frame), *resampler.resample(None)]:
                container.mux(stream.encode(piece))
            container.mux([packet for packet in stream.encode(None) if packet.size])
        return file.read()


def patched(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def cut(data: bytes, share: float = 0.6) -> bytes:
    return data[: int(share * len(data))]


def wav_size(data: bytes, size: int) -> bytes:
    return patched(data, data.index(b"data") + 4, struct.pack("<I", size))


def flac_length(data: bytes, num_samples: int) -> bytes:
    old = int.from_bytes(data[21:26], "big") >> 36 << 36
    return patched(data, 21, (old | num_samples).to_bytes(5, "big"))


def without_end_mark(data: bytes) -> bytes:
    start = data.rindex(b"OggS")
    page = data[start : start + 5] + bytes([data[start + 5] & ~4]) + data[start + 6 :]
    return data[:start] + patched(page, 22, checksum(page).to_bytes(4, "little"))


def without_claim(data: bytes) -> bytes:
    """AU of a length that is not known."""
    return patched(data, 8, b"\xff\xff\xff\xff")


def sphere(num_samples: int = NUM_SAMPLES) -> bytes:
    fields = [f"sample_count -i {num_samples}", "channel_count -i 1", "sample_n_bytes -i 2"]
    fields += ["sample_byte_format -s2 01", f"sample_rate -i {RATE}", "sample_coding -s3 pcm"]
    header = "\n".join(["NIST_1A", "   1024", *fields, "end_head", ""]).encode()
    return header.ljust(1024) + np.round(source() * 32768).astype("<i2").tobytes()


def id3v2(data: bytes, content: bytes = bytes(100)) -> bytes:
    """With a tag of 10 kB in front."""
    return b"ID3\x03\0\0\0\0\x4e\x10" + content.ljust(10_000, b"\0") + data


def id3v1() -> bytes:
    return b"TAG".ljust(128, b"\0")


def ape_tag(size: int = 4_000, header: bool = True) -> bytes:
    """With one item; it begins with a header or, as in its first version, with the item."""
    items = struct.pack("<II", size, 0) + b"Comment\0" + b"w" * size
    ends = [
        struct.pack("<8sIIII8x", b"APETAGEX", 1000 + 1000 * header, len(items) + 32, 1, flags)
        for flags in (0xA000_0000, 0x8000_0000 * header)
    ]
    return ends[0] * header + items + ends[1]


def lyrics() -> bytes:
    text = b"LYRICSBEGINLYR00600" + b"la " * 200
    return text + b"%06dLYRICS200" % len(text)


def all_made() -> list[Made]:
    """Every file; whoever adds a format adds its faults."""
    return [*_wav(), *_other_pcm(), *_flac(), *_mp3(), *_ogg(), *_others()]


def _wav() -> list[Made]:
    pcm = written("WAV", "PCM_16")
    gsm = written("WAV", "GSM610")
    at = gsm.index(b"data") + 8
    info = b"LIST\x0c\0\0\0INFOICMT\0\0\0\0"
    truncated = "truncated: .* bytes of samples"
    behind = "bytes behind its samples cannot be read"
    return [
        Made("pcm.wav", pcm),
        Made("bytes.wav", written("WAV", "PCM_U8"), tolerance=1 / 128),
        Made("float.wav", written("WAV", "FLOAT")),
        Made("six.wav", written("WAVEX", "PCM_24", 6)),
        Made("alaw.wav", written("WAV", "ALAW"), tolerance=0.02),
        Made("big.wav", written("WAV", "PCM_16", endian="BIG")),
        Made("rf64.wav", written("RF64", "PCM_16")),
        Made("ima.wav", written("WAV", "IMA_ADPCM"), None, LOSSY),
        Made("ms.wav", written("WAV", "MS_ADPCM"), None, LOSSY),
        Made("gsm.wav", gsm, None, 0.2),
        Made("gsm_by_sox.wav", wav_size(gsm + bytes(40), len(gsm) - at + 40), None, 0.2),
        Made("mp3.wav", encoded("wav", "libmp3lame"), None, 1),
        Made("notes.wav", pcm + info),
        Made("zeros.wav", pcm + bytes(100)),
        Made("unfinished.wav", wav_size(pcm, 0)),
        Made("unfinished_odd.wav", wav_size(pcm, 0) + b"\0"),
        Made("piped.wav", wav_size(pcm, 0xFFFFFFFF)),
        Made("piped_by_sox.wav", wav_size(pcm, 0x7FFFF000)),
        Made("no_samples.wav", wav_size(pcm[: -2 * NUM_SAMPLES], 0) + info, fault="no samples"),
        Made("cut.wav", cut(pcm), fault=truncated),
        Made("cut_in_header.wav", pcm[:30], fault="truncated"),
        Made("cut_gsm.wav", cut(gsm), fault=truncated),
        Made("joined.wav", pcm + pcm, fault=behind),
        Made("claims_half.wav", wav_size(pcm, NUM_SAMPLES), fault=behind),
        Made("1_hz.wav", patched(pcm, 24, struct.pack("<I", 1)), fault="sample rate of 1 Hz"),
    ]


def _other_pcm() -> list[Made]:
    aiff, au, w64 = (written(form, "PCM_16") for form in ("AIFF", "AU", "W64"))
    caf = written("CAF", "PCM_16")
    truncated = "truncated: .* bytes of samples"
    return [
        Made("pcm.aiff", aiff),
        Made("float.aifc", written("AIFF", "FLOAT")),
        Made("cut.aiff", cut(aiff), fault=truncated),
        Made("joined.aiff", aiff + aiff, fault="behind its samples"),
        Made("pcm.au", au),
        Made("mulaw.au", written("AU", "ULAW"), tolerance=0.02),
        Made("piped.au", without_claim(au)),
        Made("claims_half.au", patched(au, 8, struct.pack(">I", NUM_SAMPLES))),
        Made("cut.au", cut(au), fault=truncated),
        Made("pcm.w64", w64),
        Made("cut.w64", cut(w64), fault=truncated),
        Made("tagged.w64", w64 + id3v1()),
        Made("joined.w64", w64 + w64, fault="behind its samples"),
        Made("pcm.sph", sphere()),
        Made("cut.sph", cut(sphere()), fault=truncated),
        Made("claims_half.sph", sphere().replace(b"40003", b"20001")),
        Made("pcm.caf", caf),
        Made("piped.caf", patched(caf, caf.index(b"data") + 4, b"\xff" * 8)),
        Made("cut.caf", cut(caf), fault=truncated),
    ]


def _flac() -> list[Made]:
    flac = written("FLAC", "PCM_16")
    more = "holds more than|longer than"
    return [
        Made("whole.flac", flac),
        Made("stereo.flac", written("FLAC", "PCM_24", 2)),
        Made("piped.flac", flac_length(flac, 0)),
        Made("tagged.flac", flac + ape_tag() + id3v1()),
        Made("cut.flac", cut(flac), fault="truncated"),
        Made("cut_at_last_frame.flac", flac[:-5], fault="truncated|damaged"),
        Made("claims_more.flac", flac_length(flac, 50_000), fault="truncated"),
        Made("claims_half.flac", flac_length(flac, NUM_SAMPLES // 2), fault=more),
        Made("claims_one_less.flac", flac_length(flac, NUM_SAMPLES - 1), fault=more),
        Made("joined.flac", flac + flac, fault=more),
        Made("in_ogg.oga", encoded("ogg", "flac")),
    ]


def _mp3() -> list[Made]:
    info = encoded("mp3", "libmp3lame")
    bare = encoded("mp3", "libmp3lame", write_xing="0", id3v2_version="0")
    variable = encoded("mp3", "libmp3lame", RATE, VBR, write_xing="0", id3v2_version="0")
    return [
        Made("info.mp3", info, tolerance=LOSSY),
        Made("with_ape_tag.mp3", info + ape_tag(), tolerance=LOSSY),
        Made(
            "with_all_tags.mp3", info + ape_tag(header=False) + lyrics() + id3v1(), tolerance=LOSSY
        ),
        Made("padded.mp3", info + bytes(10_000), tolerance=LOSSY),
        Made("padded_and_tagged.mp3", info + bytes(500) + id3v1(), tolerance=LOSSY),
        Made("by_libsndfile.mp3", written("MP3", "MPEG_LAYER_III"), tolerance=LOSSY),
        Made("bare.mp3", bare, None, 1),
        Made("variable.mp3", variable, None, 1),
        Made("tagged.mp3", id3v2(bare) + ape_tag() + id3v1(), None, 1),
        Made("bare_padded.mp3", bare + bytes(600), None, 1),
        Made("bare_unfinished.mp3", cut(bare) + bytes(20_000), fault="truncated or damaged"),
        Made("joined.mp3", bare + bare, None, 1),
        Made("joined_with_info.mp3", info + info, None, 1),
        Made("joined_with_tags.mp3", 2 * (info + ape_tag() + id3v1()), None, 1),
        Made("in_words.mp3", id3v2(variable, b"Info and Xing"), None, 1),
        Made("cut.mp3", cut(info), fault="truncated"),
        Made("cut_before_tag.mp3", cut(info) + ape_tag(), fault="truncated"),
        Made("cut_behind_tags.mp3", id3v2(cut(info), bytes(9_000)), fault="truncated"),
    ]


def _ogg() -> list[Made]:
    vorbis, opus = written("OGG", "VORBIS"), written("OGG", "OPUS")
    at_48k = {"num_samples": 3 * NUM_SAMPLES, "rate": 48_000}
    page = opus.index(b"OggS", opus.index(b"OpusTags"))
    twice = {"num_samples": 6 * NUM_SAMPLES, "rate": 48_000}
    return [
        Made("whole.ogg", vorbis, tolerance=LOSSY),
        Made("joined.ogg", vorbis + vorbis, None, 1),
        Made("cut.ogg", cut(vorbis), fault="truncated"),
        Made("whole.opus", opus, tolerance=LOSSY, **at_48k),
        Made("joined.opus", opus + opus, tolerance=1, **twice),
        Made("no_end_mark.opus", without_end_mark(opus), None, LOSSY, rate=48_000),
        Made("cut.opus", cut(opus), fault="truncated"),
        Made("flipped.opus", patched(opus, page + 500, b"?!"), fault="damaged"),
        Made("behind.opus", opus + b"some text", fault="not an Ogg page"),
    ]


def _others() -> list[Made]:
    m4a = encoded("mp4", "aac", movflags="faststart")
    webm = encoded("webm", "libopus", 24_000)
    wavpack = encoded("wv", "wavpack")
    return [
        Made("whole.m4a", m4a, None, 1),
        Made("cut.m4a", cut(m4a), fault="truncated|damaged"),
        Made("cut_before_index.m4a", cut(encoded("mp4", "aac")), fault="not readable"),
        Made("alac.m4a", encoded("mp4", "alac"), tolerance=LOSSLESS),
        Made("raw.aac", encoded("adts", "aac"), None, 1),
        Made("whole.webm", webm, None, LOSSY, rate=48_000),
        Made("cut.webm", cut(webm), fault="truncated|damaged"),
        Made("whole.wv", wavpack, tolerance=LOSSY),
        Made("tagged.wv", wavpack + ape_tag(), tolerance=LOSSY),
        Made("padded.wv", wavpack + bytes(500), tolerance=LOSSY),
        Made("cut.wv", cut(wavpack) + ape_tag(), fault="truncated|no samples"),
        Made("sound.avi", encoded("avi", "pcm_s16le")),
        Made("cut.avi", cut(encoded("avi", "pcm_s16le")), fault="truncated: .* bytes"),
        Made("in_mpegts.mp2", encoded("mpegts", "mp2"), fault="may be a video"),
        Made("whole.wma", encoded("asf", "wmav2", encoder={"b": "64000"}), None, 1),
        Made("text.mp3", b"Dear listener,\n" * 400, fault="neither libsndfile nor ffmpeg knows"),
        Made("page.wav", b"<!DOCTYPE html><p>404" * 9, fault="web page"),
        Made("playlist.mp3", b"#EXTM3U\n/etc/hostname\n", fault="playlist"),
        Made("empty.flac", b"", fault="empty"),
    ]
