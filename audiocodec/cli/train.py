"""`codec train`: train a codec on data directories or shards, or resume a training."""

import argparse
import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from audiocodec.cli.arguments import add_examples, not_negative, positive
from audiocodec.errors import ConfigError

DATA_HELP = (
    "data directories, or audio shards (codec data shard): folders of .tar or .parquet files, the "
    "files, patterns of their names, or text files that list them"
)
MOST_NAMED = 100  # bad members of shards, in the log


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `codec train`."""
    parser.add_argument("--config", type=Path, help="YAML of the experiment (default: defaults)")
    parser.add_argument(
        "--train-data", type=Path, nargs="+", required=True, metavar="DATA", help=DATA_HELP
    )
    parser.add_argument(
        "--valid-data", type=Path, nargs="+", required=True, metavar="DATA", help="the same"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="EXP")
    parser.add_argument("--set", dest="assignments", action="append", default=[], metavar="A.B=C")
    parser.add_argument(
        "--init-from", metavar="MODEL", help="model or checkpoint folder, or shipped name, to tune"
    )
    parser.add_argument(
        "--init-matching",
        action="store_true",
        help="of --init-from, take only weights that fit the configuration; the rest starts anew",
    )
    parser.add_argument(
        "--resume",
        choices=("auto", "never"),
        default="auto",
        help="auto: resume from the newest checkpoint of EXP; never: refuse EXP if it has some",
    )
    parser.add_argument(
        "--allow-changes",
        action="store_true",
        help="resume although options or data have changed since the checkpoint",
    )
    parser.add_argument(
        "--jobs",
        type=not_negative,
        metavar="N",
        help="processes that read audio (default: 4 a GPU)",
    )
    parser.add_argument("--threads", type=positive, metavar="N", help="CPU threads of each process")
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="auto: GPUs if there are any (default)",
    )
    add_examples(
        parser,
        "codec train --train-data data/train --valid-data data/valid --output exp",
        "codec train --train-data 'shards/*.tar' --valid-data data/valid --output exp",
        "codec train --init-from speech_24k --train-data a/train --valid-data a/valid --output b",
        "accelerate launch --multi_gpu $(which codec) train --config train.yaml ...",
    )


def run(args: argparse.Namespace) -> None:
    """Train; in each process of a distributed run."""
    import logging

    import torch

    from audiocodec.data.training_data import read_training_data
    from audiocodec.files import require_utf8
    from audiocodec.logs import log_to
    from audiocodec.training.checkpoint import checkpoint_folders, load_start
    from audiocodec.training.networks import load_train_config
    from audiocodec.training.trainer import Trainer

    require_utf8(args.output)
    if args.threads:
        torch.set_num_threads(args.threads)
    if args.init_matching and args.init_from is None:
        raise ConfigError("--init-matching goes with --init-from MODEL")
    start = None
    if args.init_from is not None:
        start = dataclasses.replace(load_start(args.init_from), matching=args.init_matching)
    config = load_train_config(args.config, args.assignments, start)
    if args.resume == "never" and checkpoint_folders(args.output):
        raise ConfigError(f"{args.output} has checkpoints; give another --output to start anew")
    workers = args.jobs
    if workers is None:
        workers = 4 if torch.cuda.is_available() and args.device != "cpu" else 0
    train, valid = (
        read_training_data(given, args.output, max(workers, 1))
        for given in (args.train_data, args.valid_data)
    )
    main_process = os.environ.get("RANK", "0") == "0"
    log_to(args.output / "train.log", logging.INFO if main_process else logging.WARNING)
    if args.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("--device cuda: no GPU that torch can use is there")
    _tell([*train.problems, *valid.problems])
    trainer = Trainer(
        config,
        args.output,
        train.utterances,
        valid.utterances,
        workers=workers,
        cpu=args.device == "cpu",
        start=start,
        allow_changes=args.allow_changes,
    )
    trainer.run()


def _tell(problems: Sequence[str]) -> None:
    """Name what is left out of shards, as bad files are named when they are met."""
    import logging

    log = logging.getLogger(__name__)
    for problem in problems[:MOST_NAMED]:
        log.warning("%s; is left out", problem)
    if len(problems) > MOST_NAMED:
        more = len(problems) - MOST_NAMED
        log.warning("%d more are left out; codec data validate names them all", more)
