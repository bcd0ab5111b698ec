"""`codec train`: train a codec on data directories, or go on with a run that was stopped."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, help="YAML of the experiment (default: defaults)")
    parser.add_argument("--train-data", type=Path, nargs="+", required=True, metavar="DIR")
    parser.add_argument("--valid-data", type=Path, nargs="+", required=True, metavar="DIR")
    parser.add_argument("--output", type=Path, required=True, metavar="EXP")
    parser.add_argument("--set", dest="assignments", action="append", default=[], metavar="A.B=C")
    parser.add_argument("--workers", type=int, default=0, help="processes that read audio")
    parser.add_argument("--threads", type=int, help="threads of one process on a CPU")
    parser.add_argument("--cpu", action="store_true", help="do not use a GPU")


def run(args: argparse.Namespace) -> None:
    import torch

    from audiocodec.config import dump_yaml, load_config
    from audiocodec.data.data_dir import read_data_dir
    from audiocodec.files import atomic_path
    from audiocodec.logs import log_to
    from audiocodec.training.config import TrainConfig
    from audiocodec.training.trainer import Trainer

    if args.threads:
        torch.set_num_threads(args.threads)
    config = load_config(TrainConfig, args.config, args.assignments)
    train = [utterance for folder in args.train_data for utterance in read_data_dir(folder)]
    valid = [utterance for folder in args.valid_data for utterance in read_data_dir(folder)]
    with atomic_path(args.output / "config.yaml") as temporary:
        temporary.write_text(dump_yaml(config), encoding="utf-8")
    log_to(args.output / "train.log")
    trainer = Trainer(config, args.output, train, valid, workers=args.workers, cpu=args.cpu)
    trainer.run()
