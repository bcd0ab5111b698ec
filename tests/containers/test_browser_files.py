"""The page's scripts read and write the code files of docs/formats.md, to the last bit."""

import base64
import json
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audiocodec.codes import write_codes
from audiocodec.containers.metadata import CodesMetadata
from audiocodec.models.folders import ASSETS
from tests.evaluation.browser import CHROMIUM, Browser, served

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium on this machine (apt install chromium)"
)
FACTS = {"model": "m", "model_hash": "0" * 16, "sample_rate": 24_000, "hop_length": 320}
SIZES = (1024,) * 8
SCRIPT = """
(async () => {
  const {FORMATS, CodeFileError, readCodeFile} = await import("/codefile.js");
  const bytes = Uint8Array.from(atob("%s"), letter => letter.charCodeAt(0));
  const facts = %s;
  const refusal = bytes => {
    try { readCodeFile(bytes, facts); } catch (error) {
      return error instanceof CodeFileError ? error.message : String(error.stack);
    }
    return null;
  };
  %s
})()
"""
READ_AND_WRITE = """
  const {codes, metadata} = readCodeFile(bytes, facts);
  const written = FORMATS.%s.write(codes, metadata);
  return [[...codes.data], codes.frames, btoa(String.fromCharCode(...written))];
"""
REFUSED = "return refusal(bytes)"
DAMAGED = """
  const passed = [];
  for (let i = 0; i < bytes.length; i++) {
    if (!/^[^\\n]{5,}$/.test(refusal(bytes.slice(0, i)) ?? "")) passed.push(`cut at ${i}`);
    const flipped = bytes.slice();
    flipped[i] ^= 1 << (i % 8);
    if (!/^[^\\n]{5,}$/.test(refusal(flipped) ?? "")) passed.push(`flipped ${i}`);
  }
  if (refusal(Uint8Array.of(...bytes, 0)) === null) passed.push("more");
  return passed;
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    profile = tmp_path_factory.mktemp("browser") / "profile"
    with served(ASSETS / "page") as origin, Browser(profile, origin) as browser:
        browser.open("codefile.js")
        yield browser


def metadata(frames: int, sizes: Sequence[int] = SIZES, **other: str) -> CodesMetadata:
    source = 588 * frames - 3  # 588 samples at 44100 Hz are a frame
    return CodesMetadata(
        **FACTS | other,  # type: ignore[arg-type]
        codebook_sizes=tuple(sizes),
        num_samples=320 * frames - 1,
        source_sample_rate=44_100,
        source_num_samples=source,
        source_channels=2,
    )


def random_codes(about: CodesMetadata) -> np.ndarray:
    generator = np.random.default_rng(about.num_frames)
    return np.stack([generator.integers(s, size=about.num_frames) for s in about.codebook_sizes])


def file_of(path: Path, codes: np.ndarray, about: CodesMetadata) -> bytes:
    write_codes(path, codes, about)
    return path.read_bytes()


def with_metadata(data: bytes, old: str, new: str) -> bytes:
    """A `.npy` code file with another text of metadata and the checksum that belongs to it."""
    size = int.from_bytes(data[-16:-12], "little")
    text = data[-20 - size : -20].replace(old.encode(), new.encode())
    body = data[: -20 - size] + text + data[-20:-16] + struct.pack("<I", len(text)) + data[-12:-4]
    return body + struct.pack("<I", zlib.crc32(body))


def entropy_coded(data: bytes) -> bytes:
    """The header of a bit-packed file, saying that it is entropy coded."""
    end = 16 + int.from_bytes(data[12:16], "little")
    header = data[:16] + b"\1" + data[17:end]
    return header + struct.pack("<I", zlib.crc32(header)) + data[end + 4 :]


def run(browser: Browser, data: bytes, script: str, sizes: Sequence[int] = SIZES) -> Any:
    facts = json.dumps(FACTS | {"codebook_sizes": sizes})
    return browser.evaluate(SCRIPT % (base64.b64encode(data).decode(), facts, script))


@pytest.mark.parametrize("kind", ["npy", "codec"])
@pytest.mark.parametrize(
    ("frames", "sizes", "model"),
    [
        (1, (2,), {}),
        (941, SIZES, {"model": "modèle “é”\n\u2028 \x7f"}),
        (942, (3, 256), {}),
        (2050, (257, 65_536), {}),
        (11, (65_537, 2**32), {}),
    ],
)
def test_what_the_page_reads_and_writes_again_is_the_same_file(
    browser, tmp_path, kind, frames, sizes, model
):
    about = metadata(frames, sizes, **model)
    codes = random_codes(about)
    data = file_of(tmp_path / f"a.{kind}", codes, about)
    values, read_frames, written = run(browser, data, READ_AND_WRITE % kind, sizes)
    assert read_frames == codes.shape[1]
    assert np.array_equal(np.reshape(values, codes.shape), codes)
    assert base64.b64decode(written) == data


@pytest.mark.parametrize("kind", ["npy", "codec"])
def test_no_cut_or_damaged_file_is_read(browser, tmp_path, kind):
    about = metadata(12, (1024, 1000))
    data = file_of(tmp_path / f"a.{kind}", random_codes(about), about)
    assert run(browser, data, REFUSED, about.codebook_sizes) is None
    assert run(browser, data, DAMAGED, about.codebook_sizes) == []


def test_files_that_the_page_cannot_decode_say_why(browser, tmp_path):
    about = metadata(5)
    codes = random_codes(about)
    apart = np.stack([codes, codes])
    good = file_of(tmp_path / "a.npy", codes, about)
    np.save(tmp_path / "plain.npy", codes.astype("<u2"))
    other, small = metadata(5, model_hash="1" * 16), metadata(5, (512,) * 8)
    cases = {
        "this page has m (0000": file_of(tmp_path / "b.npy", codes, other),
        "not those of its model": file_of(tmp_path / "c.npy", codes % 512, small),
        "metadata num_samples": with_metadata(good, ":1599", ":1598"),
        "must have the fields": with_metadata(good, '"model":', '"name":'),
        "metadata source_channels": with_metadata(good, '_channels":2', '_channels":0.5'),
        "stage 7 has codes outside": with_metadata(good, "1024]", "512]"),
        "2 channels, coded separately": file_of(tmp_path / "d.npy", apart, about),
        "it has 2 channels": file_of(tmp_path / "d.codec", apart, about),
        "without metadata": (tmp_path / "plain.npy").read_bytes(),
        "entropy coded": entropy_coded(file_of(tmp_path / "e.codec", codes, about)),
        "a .npz file": file_of(tmp_path / "f.npz", codes, about),
    }
    assert run(browser, good, REFUSED) is None
    for words, data in cases.items():
        assert words in run(browser, data, REFUSED)
