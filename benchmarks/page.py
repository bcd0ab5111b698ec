"""How fast is the shipped model in a browser? Needs chromium and, the first time, the network.

A page of `codec page` is used as people use it: a file is opened, and a fake microphone hears
speech for some seconds. `wall` is what the page itself measures; other work on the machine slows
that down. `processor` counts the processor time of the page's worker, one thread: how fast it is
when it has a core to itself. Prints JSON; with --screenshot, writes a picture of the page, too.
"""

import argparse
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from audiocodec.audio import read_waveform
from audiocodec.data.samples import shipped_speech
from audiocodec.environment import environment
from audiocodec.pipeline.web_page import write_web_page

sys.path.append(str(Path(__file__).parent.parent))
from tests.evaluation.browser import Browser, served

RATE = 24_000
SPEAKING = 10  # seconds
LIMIT = 300  # seconds for the page to say something
FAKE = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")


def says(browser: Browser, words: str) -> str:
    """What the page says once that has `words`."""
    end = time.monotonic() + LIMIT
    while not re.search(words, text := browser.evaluate("document.all.status.textContent")):
        assert time.monotonic() < end, f"the page still says {text!r}; {browser.troubles}"
        time.sleep(0.05)
    return str(text)


def times(text: str) -> list[float]:
    """The speeds that a text of the page names."""
    return [float(value) for value in re.findall(r"([\d.]+) . real time", text)]


def worker_seconds(browser: Browser) -> float:
    """Processor time so far of the threads of the browser's workers (Linux)."""
    ticks = 0
    for process in descendants(browser.process_id):
        for thread in Path(f"/proc/{process}/task").iterdir():
            name, _, rest = (thread / "stat").read_text().rpartition(")")
            if "DedicatedWorker" in name:
                ticks += sum(map(int, rest.split()[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def descendants(process: int) -> Iterator[int]:
    """A process and those that it has started."""
    yield process
    for thread in Path(f"/proc/{process}/task").iterdir():
        for child in (thread / "children").read_text().split():
            yield from descendants(int(child))


def measure(browser: Browser, sound: Path, screenshot: Path | None) -> dict[str, Any]:
    """Open a file, then speak."""
    start = time.monotonic()
    browser.open("index.html")
    says(browser, "^Ready")
    started = {"wall": time.monotonic() - start, "processor": worker_seconds(browser)}
    before = started["processor"]
    browser.choose("#file", sound)
    encode, decode = times(says(browser, "decoded at"))
    file_seconds = worker_seconds(browser) - before
    if screenshot:
        browser.resize(900, 1180)
        time.sleep(1)
        screenshot.write_bytes(browser.screenshot())
    before = worker_seconds(browser)
    browser.evaluate("document.all.record.click()")
    said = says(browser, rf"^{SPEAKING}\.\d s, .* coded")
    live_seconds = worker_seconds(browser) - before
    spoken = float(said.split()[0])
    assert browser.troubles == [], browser.troubles
    return {
        "start_seconds": started,
        "times_real_time": {
            "file": {
                "wall": 1 / (1 / encode + 1 / decode),
                "processor": soundfile.info(sound).duration / file_seconds,
            },
            "live": {"wall": times(said)[0], "processor": spoken / live_seconds},
        },
        "wall_of_file": {"encode": encode, "decode": decode},
    }


def main() -> None:
    """Write a page, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="speech_24k", metavar="M")
    parser.add_argument("--runtime-files", type=Path, metavar="DIR", help="as of `codec page`")
    parser.add_argument("--screenshot", type=Path, metavar="PNG")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        size = write_web_page(args.model, folder / "page", args.runtime_files)
        sound = folder / "speech.wav"
        speech = np.concatenate([read_waveform(path, RATE)[0] for path in shipped_speech()[:8]])
        speech = speech[: SPEAKING * RATE]
        soundfile.write(sound, speech, RATE)
        flags = (*FAKE, f"--use-file-for-fake-audio-capture={sound}")
        with served(folder / "page") as origin, Browser(folder / "user", origin, flags) as browser:
            figures = measure(browser, sound, args.screenshot)
            version = browser.call("Browser.getVersion")["product"]
    report = {"browser": version, "load_average": os.getloadavg()[0], "page_megabytes": size / 1e6}
    print(json.dumps(report | figures | {"environment": environment()}, indent=2))


if __name__ == "__main__":
    main()
