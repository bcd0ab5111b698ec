"""`codec data shard`: the recordings of a data directory as tar or Parquet files to train on."""

import argparse
from pathlib import Path

from audiocodec.cli.arguments import add_examples, positive
from audiocodec.containers.audio_shards import FORMATS
from audiocodec.environment import available_cores


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `codec data shard`."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="a data directory")
    parser.add_argument("output", type=Path, metavar="OUT", help="folder for the shards")
    parser.add_argument(
        "--format",
        choices=list(FORMATS),
        default="tar",
        help="tar (WebDataset, default) or parquet",
    )
    parser.add_argument(
        "--shard-size",
        type=positive,
        default=2000,
        metavar="N",
        help="utterances in a shard (default: 2000)",
    )
    parser.add_argument(
        "--skip-existing", action="store_true", help="leave shards that exist as they are"
    )
    parser.add_argument(
        "--jobs",
        type=positive,
        default=available_cores(),
        metavar="N",
        help="shards written at once (default: all cores)",
    )
    add_examples(
        parser,
        "codec data shard data/train shards/train",
        "codec data shard data/train shards/train --format parquet --skip-existing",
    )


def run(args: argparse.Namespace) -> None:
    """Write the shards.

    Raises:
        PartialFailure: some files could not be read; they have been named and left out.
    """
    import sys

    from tqdm import tqdm

    from audiocodec.data.shard_audio import shard_data_dir
    from audiocodec.errors import PartialFailure

    with tqdm(unit="file", leave=False, disable=not sys.stderr.isatty()) as bar:
        written = shard_data_dir(
            args.folder,
            args.output,
            args.format,
            args.shard_size,
            jobs=args.jobs,
            skip_existing=args.skip_existing,
            progress=bar.update,
        )
    problems = [problem for shard in written for problem in shard.problems]
    for problem in problems:
        print(f"codec: left out: {problem}", file=sys.stderr)
    done = sum(shard.count or 0 for shard in written)
    there = sum(shard.count is None for shard in written)
    skipped = f", {there} were there already" if there else ""
    print(f"{args.output}: {done} utterances in {len(written) - there} shards{skipped}")
    if problems:
        raise PartialFailure(f"{len(problems)} files left out; the rest is in place")
