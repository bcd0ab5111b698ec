"""What does it take to tokenise 1 000, 100 000 and 1 000 000 hours?

`measure` prints JSON: how fast one core reads, decodes, resamples and encodes the shipped speech in
several formats, lists a corpus and writes shards, in processor time, which other work on the
machine moves little; and the bytes that go in and out. `page` simulates runs from it, event by
event: workers take shards one after the other, share the network, and are killed at random, which
costs the shard under way. It writes the tables of docs/scale.md, those of ray_kills.py and
ray_scaling.py, too.

    python benchmarks/scale.py measure > docs/benchmarks/scale.json
    python benchmarks/scale.py page docs/benchmarks docs/scale.md
"""

import argparse
import heapq
import json
import random
import tempfile
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from audiocodec.audio import read_waveform
from audiocodec.data.samples import shipped_speech
from audiocodec.environment import environment
from audiocodec.files import atomic_path
from audiocodec.pipeline.corpus import plan_corpus
from audiocodec.pipeline.options import EncodeOptions
from audiocodec.pipeline.progress import Progress
from audiocodec.pipeline.shard_encoder import ShardEncoder

FORMATS = {  # suffix, libsndfile's format and subtype, and its level of compression
    "WAV, 16 bit": ("wav", "WAV", "PCM_16", None),
    "FLAC": ("flac", "FLAC", "PCM_16", None),
    "MP3": ("mp3", "MP3", "MPEG_LAYER_III", 0.5),
    "Opus": ("opus", "OGG", "OPUS", 0.9),
}
SECONDS, RATE, LISTED = 10.0, 16_000, 20_000
HOUR = 3600.0
HOURS = (1_000, 100_000, 1_000_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("measure")
    one.add_argument("--utterances", type=int, default=24)
    one.set_defaults(run=lambda args: print(json.dumps(measure(args.utterances), indent=1)))
    two = commands.add_parser("page")
    two.add_argument("results", type=Path)
    two.add_argument("page", type=Path)
    two.set_defaults(run=lambda args: write_page(args.results, args.page))
    args = parser.parse_args()
    args.run(args)


# ---- measure


def measure(utterances: int) -> dict[str, Any]:
    """Hours of audio per core-hour of each step, and bytes an hour."""
    pieces = _pieces(utterances)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        formats = {key: _format(folder / key, pieces, *how) for key, how in FORMATS.items()}
        encoded = {
            kind: _encoded(folder / "FLAC", folder / kind, kind, utterances)
            for kind in ("parquet", "webdataset")
        }
        listing = _listing(folder / "listed")
    return {
        "utterance_seconds": SECONDS,
        "sample_rate": RATE,
        "decode_and_resample": formats,
        "encode": encoded,
        "listing": listing,
        "environment": environment(),
    }


def _pieces(count: int) -> list[np.ndarray]:
    """`count` utterances of 10 s at 16 kHz, of the shipped speech end to end."""
    speech = np.concatenate([read_waveform(path, RATE)[0] for path in shipped_speech()])
    length = int(SECONDS * RATE)
    whole = np.resize(speech, count * length)
    return list(whole.reshape(count, length))


def _format(
    folder: Path,
    pieces: list[np.ndarray],
    suffix: str,
    form: str,
    subtype: str,
    level: float | None,
) -> dict[str, float]:
    folder.mkdir()
    quality = {} if level is None else {"compression_level": level}
    for index, piece in enumerate(pieces):
        path = folder / f"{index:04d}.{suffix}"
        soundfile.write(path, piece, RATE, format=form, subtype=subtype, **quality)
    paths = sorted(folder.iterdir())
    seconds = _processor_seconds(lambda: [read_waveform(path, 24_000) for path in paths])
    audio = len(pieces) * SECONDS
    size = sum(path.stat().st_size for path in paths)
    return {
        "hours_per_core_hour": round(audio / seconds, 1),
        "megabytes_an_hour": round(size / audio * HOUR / 1e6, 2),
    }


def _encoded(source: Path, target: Path, kind: str, count: int) -> dict[str, float]:
    """Reading FLAC, encoding and writing a shard with the shipped model, on one thread."""
    options = EncodeOptions(format=kind, threads=1, jobs=1, shard_size=count)
    shard = plan_corpus([source], target, options).shards[0]
    encoder = ShardEncoder(None, "cpu", options)
    progress = Progress(count, 0, report=False)
    seconds = _processor_seconds(lambda: encoder.encode(shard, progress))
    audio = count * SECONDS
    size = Path(shard.target).stat().st_size
    return {
        "hours_per_core_hour": round(audio / seconds, 1),
        "megabytes_an_hour": round(size / audio * HOUR / 1e6, 2),
    }


def _listing(folder: Path) -> dict[str, float]:
    """Dividing a data directory among shards: time and memory for an utterance."""
    folder.mkdir()
    for name, line in (("wav.scp", "{0} /corpus/{0}.flac\n"), ("utt2spk", "{0} speaker\n")):
        text = "".join(line.format(f"utterance-{index:08d}") for index in range(LISTED))
        (folder / name).write_text(text)
    options = EncodeOptions(format="webdataset")
    seconds = _processor_seconds(lambda: plan_corpus([folder], "out", options))
    tracemalloc.start()
    kept = plan_corpus([folder], "out", options)
    memory = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(kept.shards) > 1
    return {
        "utterances_per_core_second": round(LISTED / seconds),
        "most_bytes_an_utterance": round(memory / LISTED),
    }


def _processor_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


# ---- plan


@dataclass(frozen=True)
class Case:
    """A run to simulate."""

    hours: float  # of audio
    workers: int  # cores, with a model each
    rate: float  # hours of audio per core-hour
    megabytes_in: float  # for an hour of audio
    megabytes_out: float
    shard_hours: float = 14.0  # 5 000 utterances of 10 s
    network: float = 25.0  # Gbit/s that all workers share
    kills: float = 0.1  # for a worker and a day
    start: float = 60.0  # seconds from a kill to the next shard
    spread: float = 0.2  # of the seconds that a shard takes, as a standard deviation of logarithms
    seed: int = 0


@dataclass(frozen=True)
class Outcome:
    """hours: from first to last; core_hours: taken; lost: the share of them that was in vain."""

    hours: float
    core_hours: float
    lost: float
    kills: int
    gigabits: float  # a second, in and out, on average
    shards: int


def simulate(case: Case) -> Outcome:
    """Workers take shards in order; a kill puts its shard back to the front."""
    chance = random.Random(case.seed)
    shards = max(1, round(case.hours / case.shard_hours))
    each = HOUR * case.hours / shards  # seconds of audio
    compute = each / case.rate
    bits = 8e6 * (case.megabytes_in + case.megabytes_out) * each / HOUR
    transfer = bits / (1e9 * case.network / case.workers)  # if all transfer at once
    seconds = max(compute, transfer)  # reading ahead hides the shorter of the two
    rate_of_kills = case.kills / (24 * HOUR)
    free = [chance.uniform(0, case.start) for _ in range(case.workers)]
    heapq.heapify(free)
    left, kills, lost, end = shards, 0, 0.0, 0.0
    while left:
        now = heapq.heappop(free)
        takes = seconds * chance.lognormvariate(-(case.spread**2) / 2, case.spread)
        killed = chance.expovariate(rate_of_kills) if rate_of_kills else takes
        if killed < takes:
            kills += 1
            lost += killed + case.start
            heapq.heappush(free, now + killed + case.start)
            continue
        left -= 1
        end = max(end, now + takes)
        heapq.heappush(free, now + takes)
    core_hours = case.workers * end / HOUR
    return Outcome(
        end / HOUR, core_hours, lost / HOUR / core_hours, kills, shards * bits / end / 1e9, shards
    )


def cases(measured: dict[str, Any]) -> Iterator[tuple[str, Case]]:
    """Three sizes by three kinds of input."""
    model = measured["encode"]["parquet"]
    flac = measured["decode_and_resample"]["FLAC"]["hours_per_core_hour"]
    for hours, workers in zip(HOURS, (16, 1_000, 4_000), strict=True):
        for name, found in measured["decode_and_resample"].items():
            # the measured rate is with FLAC: its time for an hour goes, that of the format comes
            share = 1 / model["hours_per_core_hour"] - 1 / flac
            rate = 1 / (share + 1 / found["hours_per_core_hour"])
            sizes = (found["megabytes_an_hour"], model["megabytes_an_hour"])
            yield name, Case(hours, workers, rate, *sizes)


def write_page(results: Path, page: Path) -> None:
    """Put the tables between the marks of the page."""
    tables = {
        "measured": ("scale", _measured),
        "plan": ("scale", _plan),
        "kills": ("ray_kills", _kills),
        "scaling": ("ray_scaling", _scaling),
    }
    text = page.read_text(encoding="utf-8")
    for name, (file, table) in tables.items():
        path = results / f"{file}.json"
        if not path.exists():
            continue
        start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, _, rest = text.partition(start)
        made = table(json.loads(path.read_text(encoding="utf-8")))
        text = f"{before}{start}\n{made}\n\n{end}{rest.partition(end)[2]}"
    with atomic_path(page) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _kills(found: dict[str, Any]) -> str:
    kinds = Counter(row["kind"] for row in found["killed"] if row["hit"])
    said = ", ".join(f"{count} times {kind}" for kind, count in sorted(kinds.items()))
    lines = [
        f"{found['rounds']} runs over {found['utterances']} utterances ({found['bad']} of them "
        f"bad), {found['hit']} of them hit while under way ({said}): {found['identical']} gave the "
        "shards and the manifest of one process without Ray, byte for byte; "
        f"{found['twice']} rows came twice, {found['lost']} were lost. An undisturbed run, on a "
        f"busy machine, took {found['seconds_to_first_shard']} s to its first shard and "
        f"{found['seconds_of_encoding']} s from there to its last, of {found['shards']}.",
        "",
        "| killed | after s | shards by then | hit | identical |",
        "|---|---:|---:|---|---|",
    ]
    for row in found["killed"]:
        cells = (row["kind"], row["after_seconds"], row["shards_then"])
        marks = ("yes" if row[name] else "no" for name in ("hit", "identical"))
        lines.append(f"| {' | '.join(map(str, (*cells, *marks)))} |")
    return "\n".join(lines)


def _scaling(found: dict[str, Any]) -> str:
    lines = ["| | s | encoding s |", "|---|---:|---:|"]
    for name in ("one process", "1 actor", "2 actors"):
        lines.append(f"| {name} | {found[name]['seconds']} | {found[name]['encoding_seconds']} |")
    return "\n".join(
        [
            *lines,
            "",
            f"{found['audio_hours']} h of shipped speech with `speech_24k`, medians of "
            f"{found['repeats']}: two actors are {found['speedup_of_two_actors']} times as fast as "
            f"one ({found['speedup_of_two_actors_with_start']} with starting up). "
            f"{found['processor']}, {found['cores']} cores.",
        ]
    )


def _measured(measured: dict[str, Any]) -> str:
    lines = ["| step | hours of audio per core-hour | MB an hour of audio |", "|---|---:|---:|"]
    for name, row in measured["decode_and_resample"].items():
        lines.append(f"| read, decode and resample {name} | {_row(row)} in |")
    for name, row in measured["encode"].items():
        lines.append(f"| all of it, FLAC to {name} with `speech_24k` | {_row(row)} out |")
    listing, facts = measured["listing"], measured["environment"]
    speed, memory = listing["utterances_per_core_second"], listing["most_bytes_an_utterance"]
    many = 100_000 * HOUR / measured["utterance_seconds"]
    lines += [
        "",
        f"Dividing a data directory among shards takes {1e6 / speed:.0f} core-seconds and at most "
        f"{memory:.0f} MB of memory a million utterances: for 100 000 hours of utterances of "
        f"{measured['utterance_seconds']:g} s, {many / speed / 60:.0f} minutes and "
        f"{many * memory / 1e9:.0f} GB.",
        "",
        f"{facts['processor']}, one thread, at {measured['sample_rate']} Hz; processor time.",
    ]
    return "\n".join(lines)


def _row(row: dict[str, float]) -> str:
    return f"{row['hours_per_core_hour']:.0f} | {row['megabytes_an_hour']:.1f}"


def _thousands(value: float) -> str:
    return f"{value:,.0f}".replace(",", " ")


def _plan(measured: dict[str, Any]) -> str:
    lines = [
        "| hours of audio | from | cores | hours | core-hours | killed | lost | TB in | TB out "
        "| Gbit/s | shards |",
        "|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, case in cases(measured):
        found = simulate(case)
        cells = [
            _thousands(case.hours),
            name,
            _thousands(case.workers),
            f"{found.hours:.1f}",
            _thousands(found.core_hours),
            _thousands(found.kills),
            f"{100 * found.lost:.2f} %",
            f"{case.hours * case.megabytes_in / 1e6:.2f}",
            f"{case.hours * case.megabytes_out / 1e6:.3f}",
            f"{found.gigabits:.2f}",
            _thousands(found.shards),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", _sensitivity(measured)])


def _sensitivity(measured: dict[str, Any]) -> str:
    """What other shards, kills and networks change, for 100 000 hours of FLAC."""
    usual = next(
        case for name, case in cases(measured) if case.hours == HOURS[1] and name == "FLAC"
    )
    changes = {
        "as above": usual,
        "shards of 1.4 h": replace(usual, shard_hours=1.4),
        "shards of 140 h": replace(usual, shard_hours=140.0),
        "ten times the kills": replace(usual, kills=10 * usual.kills),
        "ten times the kills, shards of 140 h": replace(
            usual, kills=10 * usual.kills, shard_hours=140.0
        ),
        "a network of 1 Gbit/s": replace(usual, network=1.0),
    }
    lines = ["| 100 000 h of FLAC | hours | core-hours | lost |", "|---|---:|---:|---:|"]
    for name, case in changes.items():
        found = simulate(case)
        core_hours = _thousands(found.core_hours)
        lines.append(f"| {name} | {found.hours:.1f} | {core_hours} | {100 * found.lost:.2f} % |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
