"""Several codecs on the same sound in one run: speed in turns, cost, memory, delay of streams."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from audiocodec.audio import read_waveform
from audiocodec.errors import CodecError, one_line
from audiocodec.models.cost import Cost
from audiocodec.models.threads import torch_threads
from audiocodec.peers.base import Peer
from audiocodec.peers.loading import Loader, peak_of

_PRODUCTS = 4


@dataclass
class _Running:
    loader: Loader
    peer: Peer
    waveform: Tensor  # (channels, time) at its rate
    report: dict[str, Any]
    seconds: list[Cost] = field(default_factory=list)  # of the rounds so far


class Comparison:
    """Codecs that are measured together; one that fails drops out, and `failures` says why.

    Args:
        loaders: by the names that reports have.
        audio: a file; its channels are mixed, and resampled to the rate of each codec.
    """

    def __init__(self, loaders: Mapping[str, Loader], audio: Path, device: str = "cpu") -> None:
        self.audio, self.device = audio, device
        self.failures: dict[str, str] = {}
        self.matrix_rates: dict[str, float] = {}  # GMAC/s by threads
        self._running: dict[str, _Running] = {}
        for name, loader in loaders.items():
            self._attempt(name, partial(self._load, name, loader))

    def reports(self) -> dict[str, dict[str, Any]]:
        """What has been measured of those that have not failed."""
        return {name: own.report for name, own in self._running.items()}

    def describe(self, threads: int) -> None:
        """Find bitrate, cost, memory and delay of streams, the latter with so many threads."""
        self._each(lambda own: _describe(own, threads))
        self._each(lambda own: own.report.update(self._memory(own.loader, threads)))

    def time(self, threads: int, repeats: int) -> None:
        """Code with so many threads, in turns: whatever else the machine does meets all alike.

        The first round warms up; the median of the `repeats` others counts.
        """
        products = []
        for _ in range(1 + repeats):
            products.append(_matrix_rate(threads))
            self._each(lambda own: own.seconds.append(_seconds(own, threads)))
        rate = statistics.median(products[1:])
        self.matrix_rates[f"{threads} threads"] = rate
        self._each(lambda own: own.report["times_real_time"].update(_speed(own, threads)))
        self._each(
            lambda own: own.report["share_of_matrix_rate"].update(_shares(own, threads, rate))
        )

    def _load(self, name: str, loader: Loader) -> None:
        peer = loader.load()
        mono = torch.from_numpy(read_waveform(self.audio, peer.sample_rate))
        waveform = mono.expand(peer.num_channels, -1).contiguous().to(self.device)
        self._running[name] = _Running(
            loader, peer, waveform, {"times_real_time": {}, "share_of_matrix_rate": {}}
        )

    def _each(self, step: Callable[[_Running], object]) -> None:
        for name, own in list(self._running.items()):
            self._attempt(name, partial(step, own))

    def _attempt(self, name: str, step: Callable[[], object]) -> None:
        """One that fails, in whatever way its package has, must not take the others with it."""
        try:
            with torch.inference_mode():
                step()
        except Exception as error:
            kind = "" if isinstance(error, CodecError) else f"{type(error).__name__}: "
            self.failures[name] = kind + one_line(error)[:300]
            self._running.pop(name, None)

    def _memory(self, loader: Loader, threads: int) -> dict[str, float | None]:
        """Of a process that does nothing but load the codec and code the file once."""
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            peak = pool.submit(peak_of, loader, self.audio, threads).result()
        return {"peak_megabytes": None if peak is None else peak / 1e6}


def _describe(own: _Running, threads: int) -> None:
    peer = own.peer
    parameters, macs = peer.costs(own.waveform)
    own.report.update(
        package=peer.package,
        sample_rate=peer.sample_rate,
        bitrate=peer.bitrate,
        parameters=parameters,
        gmacs_per_second_of_audio={"encode": macs.encode / 1e9, "decode": macs.decode / 1e9},
        first_output_ms={
            "codes": _delay(own, peer.first_codes, threads),
            "sound": _delay(own, peer.first_sound, threads),
        },
    )


def _delay(
    own: _Running, first: Callable[[Tensor], tuple[int, Any] | None], threads: int
) -> float | None:
    """Milliseconds from the first sample of live sound to the first output: waiting, computing."""
    with own.peer.threads(threads):
        first(own.waveform)  # warms up
        start = time.perf_counter()
        found = first(own.waveform)
        took = time.perf_counter() - start
    return None if found is None else 1000 * (found[0] / own.peer.sample_rate + took)


def _seconds(own: _Running, threads: int) -> Cost:
    with own.peer.threads(threads):
        start = time.perf_counter()
        coded = own.peer.encode(own.waveform)
        for stage in own.peer.stages(coded):
            stage.cpu()  # waits for a device
        middle = time.perf_counter()
        own.peer.decode(coded).cpu()
        return Cost(middle - start, time.perf_counter() - middle)


def _speed(own: _Running, threads: int) -> dict[str, dict[str, float]]:
    duration = own.waveform.shape[-1] / own.peer.sample_rate
    rounds, own.seconds = own.seconds[1:], []
    encode = statistics.median(cost.encode for cost in rounds)
    decode = statistics.median(cost.decode for cost in rounds)
    return {
        f"{threads} threads": {
            "encode": duration / encode,
            "decode": duration / decode,
            "encode_and_decode": duration / (encode + decode),
        }
    }


def _matrix_rate(threads: int) -> float:
    """GMAC/s of a large product of float32 matrices: as fast as this machine computes anything."""
    matrix = torch.ones(1024, 1024)
    with torch_threads(threads):
        start = time.perf_counter()
        for _ in range(_PRODUCTS):
            torch.mm(matrix, matrix)
        took = time.perf_counter() - start
    return _PRODUCTS * len(matrix) ** 3 / took / 1e9


def _shares(own: _Running, threads: int, matrix_rate: float) -> dict[str, dict[str, float]]:
    """GMAC/s of each half over those of a matrix product."""
    key, counted = f"{threads} threads", own.report["gmacs_per_second_of_audio"]
    speed = own.report["times_real_time"][key]
    return {key: {half: macs * speed[half] / matrix_rate for half, macs in counted.items()}}


def as_rows(
    reports: Mapping[str, Mapping[str, Any]], ours: Sequence[str]
) -> Sequence[dict[str, Any]]:
    """The reports as rows of one table; `ours` are those that all are compared with."""
    return [
        _row(name, report, {own: reports[own] for own in ours}) for name, report in reports.items()
    ]


def _row(
    name: str, report: Mapping[str, Any], ours: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    kilobits = report["bitrate"] and report["bitrate"] / 1000
    row = {"codec": name, "package": report["package"], "kbit/s": kilobits}
    row["M parameters"] = report["parameters"] / 1e6
    row |= {f"GMAC/s {half}": v for half, v in report["gmacs_per_second_of_audio"].items()}
    row["peak MB"] = report["peak_megabytes"]
    row |= {f"first {what} ms": value for what, value in report["first_output_ms"].items()}
    for threads, speed in report["times_real_time"].items():
        label = threads.replace("1 threads", "1 thread")
        row |= {f"{half} x ({label})": speed[half] for half in ("encode", "decode")}
        both = speed["encode_and_decode"]
        row[f"both x ({label})"] = both
        row[f"of matrix rate ({label})"] = " / ".join(
            f"{share:.0%}" for share in report["share_of_matrix_rate"][threads].values()
        )
        for own, of_own in ours.items():
            fastest = of_own["times_real_time"][threads]["encode_and_decode"]
            row[f"{own} is faster by ({label})"] = fastest / both
    return row
