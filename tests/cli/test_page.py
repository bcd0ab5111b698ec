"""`codec page`: the folder that it writes; in a browser, the codes of the command line."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiocodec.audio import read_waveform
from audiocodec.codes import read_codes
from audiocodec.data.samples import shipped_speech
from audiocodec.graphs.export import export_graphs
from audiocodec.models.bundle import load_codec, save_codec
from audiocodec.pipeline import web_runtime
from audiocodec.pipeline.web_page import write_web_page
from tests.cli.helpers import tree
from tests.conftest import build_codec
from tests.evaluation.browser import CHROMIUM, Browser, served

RUNTIME = web_runtime.cache_folder() / f"onnxruntime-web-{web_runtime.VERSION}"
in_a_browser = pytest.mark.skipif(
    CHROMIUM is None or not RUNTIME.is_dir(),
    reason="needs chromium (apt install chromium) and onnxruntime-web in the cache folder, where "
    "`codec page speech_24k OUT` puts it",
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    save_codec(build_codec(), folder)
    export_graphs(load_codec(folder), folder)
    return folder


@pytest.fixture
def runtime(tmp_path, monkeypatch) -> Path:
    """A folder of three small files that pass for the runtime's."""
    folder = tmp_path / "dist"
    folder.mkdir()
    for name in web_runtime.FILES:
        (folder / name).write_text(name)
        monkeypatch.setitem(web_runtime.FILES, name, web_runtime.sha256_of(folder / name))
    return folder


def test_the_folder_is_complete_and_asks_for_nothing_from_elsewhere(
    model, runtime, tmp_path, codec
):
    target = tmp_path / "page"
    outcome = codec("page", model, target, "--runtime-files", runtime)
    assert outcome.exit_code == 0 and str(target) in outcome.out, outcome.err
    files = tree(target)
    for name, content in files.items():
        if name.endswith((".js", ".html")):
            text = content.decode()
            for path in re.findall(r"(?:from|src=|import\() ?\"([^\"]+)\"", text):
                assert str(Path(path)) in files, (name, path)
            assert not re.search(r"https?://(?!localhost)\w", text), name
    assert files["model/encoder.onnx"] == (model / "encoder.onnx").read_bytes()
    first = files
    assert codec("page", model, target, "--runtime-files", runtime).exit_code == 0
    assert tree(target) == first  # a page is replaced, and its bytes depend on nothing else


def test_what_is_no_page_is_never_replaced(model, runtime, tmp_path, codec):
    target = tmp_path / "mine"
    target.mkdir()
    (target / "letter.txt").write_text("dear")
    outcome = codec("page", model, target, "--runtime-files", runtime)
    assert outcome.exit_code == 1 and "is not a page" in outcome.err
    assert tree(target) == {"letter.txt": b"dear"}


def test_a_mistake_is_one_line_and_leaves_nothing(
    model, tiny_model_dir, runtime, tmp_path, codec, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "empty").mkdir()
    other = tmp_path / "other"
    (other / "onnxruntime-web" / "-").mkdir(parents=True)
    name = f"onnxruntime-web-{web_runtime.VERSION}.tgz"
    (other / "onnxruntime-web" / "-" / name).write_bytes(b"something else")
    target = tmp_path / "page"
    with served(other) as registry:
        for words, given, address in (
            ("--onnx", (tiny_model_dir, target, "--runtime-files", runtime), ""),
            ("has no ort", (model, target, "--runtime-files", tmp_path / "empty"), ""),
            ("cannot be fetched", (model, target), "http://127.0.0.1:9"),
            ("not the package", (model, target), registry),
        ):
            monkeypatch.setenv("NPM_CONFIG_REGISTRY", address)
            outcome = codec("page", *given)
            assert outcome.exit_code == 1 and words in outcome.err, outcome.err
            assert outcome.err.count("\n") == 1 and not target.exists()
        (runtime / "ort.wasm.min.mjs").write_text("another version")
        outcome = codec("page", model, target, "--runtime-files", runtime)
        assert "not that of onnxruntime-web" in outcome.err and not target.exists()


SAVED = (".npy", ".codec", ".wav")  # names of downloads end in these when they are complete
STATUS = """
new Promise(done => {
  const end = performance.now() + 120_000;
  const look = () => {
    const text = document.getElementById("status").textContent;
    if (/%s/.test(text) || performance.now() > end) done(text); else setTimeout(look, 20);
  };
  look();
})
"""


class Page(Browser):
    """The page, used as people use it."""

    def __init__(self, profile: Path, origin: str, microphone: Path) -> None:
        flags = (
            "--use-fake-ui-for-media-stream",
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-audio-capture={microphone}",
        )
        super().__init__(profile, origin, flags)
        self.downloads = profile.with_suffix(".downloads")

    def start(self) -> None:
        self.open("index.html")
        self.call(
            "Browser.setDownloadBehavior",
            behavior="allow",
            downloadPath=str(self.downloads),
        )
        assert "Ready" in self.says("Ready")

    def says(self, words: str) -> str:
        """What the page says once that has `words`."""
        return str(self.evaluate(STATUS % words))

    def click(self, name: str) -> None:
        self.evaluate(f'document.getElementById("{name}").click()')

    def read(self, path: Path) -> str:
        """Open a file; what the page says of it in the end."""
        self.evaluate('document.getElementById("status").textContent = ""')
        self.choose("#file", path)
        return self.says("(: [^0-9]|decoded at)")

    def slide(self, stages: int) -> None:
        self.evaluate(
            f'document.getElementById("stages").value = {stages};'
            'document.getElementById("stages").dispatchEvent(new Event("input"))'
        )

    def saved(self, name: str) -> Path:
        """The file that a click on `name` saves."""
        self.click(name)
        deadline = time.monotonic() + 120
        while not (found := [p for p in self.downloads.glob("*") if p.suffix in SAVED]):
            assert time.monotonic() < deadline, self.troubles
            time.sleep(0.02)
        return found[0].rename(self.downloads.parent / f"{name}-{found[0].name}")


@contextmanager
def opened(model: Path | str, speech: np.ndarray, folder: Path) -> Iterator[Page]:
    """The page of a model in a browser whose microphone hears speech; nothing goes wrong in it."""
    write_web_page(model, folder / "page", RUNTIME)
    microphone = folder / "microphone.wav"
    soundfile.write(microphone, speech, 24_000)
    with served(folder / "page") as origin, Page(folder / "profile", origin, microphone) as page:
        page.start()
        yield page
        assert page.troubles == []


@pytest.fixture(scope="module")
def page(
    model: Path, speech: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Page]:
    with opened(model, speech, tmp_path_factory.mktemp("browser")) as page:
        yield page


@in_a_browser
def test_codes_and_their_files_are_those_of_the_command_line(page, model, speech, tmp_path, codec):
    noise = 0.3 * np.random.default_rng(0).standard_normal((9_001, 3))
    noise[:2] = [[-1, 0, 0.5], [1, 1, 0]]
    files = {
        "a.wav": (speech[:30_001], "PCM_16"),
        "b.flac": (noise[:, :2], "PCM_16"),
        "c.wav": (noise, "PCM_24"),
        "d.wav": (noise[:, 0], "FLOAT"),
        "e.wav": (noise[:, 0], "PCM_U8"),
        "f.flac": (noise[:1, 0], "PCM_24"),
    }
    for name, (samples, subtype) in files.items():
        sound = tmp_path / name
        soundfile.write(sound, samples, 24_000, subtype=subtype)
        said = page.read(sound)
        assert "decoded at" in said, said
        for kind in ("npy", "codec"):
            ours = tmp_path / f"{name}.{kind}"
            assert codec("encode", sound, ours, "--model", model).exit_code == 0
            assert page.saved(f"save-{kind}").read_bytes() == ours.read_bytes(), name


@in_a_browser
def test_what_either_saves_the_other_decodes_to_the_same_sound(
    page, model, speech, tmp_path, codec
):
    sound, coded = tmp_path / "a.wav", tmp_path / "a.codec"
    soundfile.write(sound, speech[:33_333], 16_000)
    codec("encode", sound, coded, "--model", model, "--num-quantizers", 2)
    page.read(coded)
    codes, metadata = read_codes(coded)
    expected = load_codec(model).decode(codes.astype(np.int64), metadata.num_samples)
    decoded, rate = soundfile.read(page.saved("decoded-link"), dtype="float32")
    assert rate == 24_000 and np.abs(decoded - np.asarray(expected)).max() < 1e-5
    assert f"{codes.shape[1]} frames of 2 codes: {8 * codes.shape[1]} bits" in page.evaluate(
        'document.getElementById("bits").textContent.replace(",", "")'
    )
    for width, height in ((1280, 900), (360, 740)):  # a desk and a phone
        page.resize(width, height)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.slide(1)
    page.says("decoded at")
    first = page.saved("save-npy")
    assert (read_codes(first).codes == codes[:1]).all()
    assert codec("decode", first, tmp_path / "back.wav", "--model", model).exit_code == 0
    assert soundfile.info(tmp_path / "back.wav").frames == 33_333


@in_a_browser
def test_speech_becomes_codes_while_it_lasts_and_they_are_those_of_the_recording(
    page, model, tmp_path, codec
):
    page.click("aloud")
    page.click("record")
    page.says("^[1-9].* coded and decoded")
    page.slide(2)  # what is heard changes; the codes have all stages until they are saved
    page.says("^[2-9].* coded and decoded")
    page.click("record")
    page.says("^recording: ")
    recording, codes = page.saved("original-link"), page.saved("save-npy")
    waveform, _ = soundfile.read(recording)
    assert len(waveform) > 48_000 and np.abs(waveform).max() > 0.01
    options = ("--model", model, "--num-quantizers", 2)
    assert codec("encode", recording, tmp_path / "r.npy", *options).exit_code == 0
    assert codes.read_bytes() == (tmp_path / "r.npy").read_bytes()


@in_a_browser
def test_a_file_that_cannot_be_opened_is_one_line_and_the_page_goes_on(page, tmp_path, speech):
    for name, content, words in (
        ("a.npy", b"\x93NUMPY\1\0", "a.npy: "),
        ("b.mp3", b"no sound", "b.mp3: this browser cannot read it"),
        ("c.npz", b"PK\3\4", "c.npz: a .npz file"),
    ):
        (tmp_path / name).write_bytes(content)
        assert words in page.read(tmp_path / name)
    soundfile.write(tmp_path / "d.wav", speech[:1000], 24_000)
    assert "d: 0.04 s, encoded at" in page.read(tmp_path / "d.wav")


@pytest.mark.slow
@in_a_browser
def test_the_shipped_model_gives_the_codes_of_the_command_line_too(speech, tmp_path, codec):
    with opened("speech_24k", speech, tmp_path) as page:
        for path in shipped_speech()[::10]:
            sound = tmp_path / "a.wav"
            soundfile.write(sound, read_waveform(path, 24_000)[0], 24_000)
            page.read(sound)
            assert codec("encode", sound, tmp_path / "a.npy").exit_code == 0
            assert page.saved("save-npy").read_bytes() == (tmp_path / "a.npy").read_bytes()
