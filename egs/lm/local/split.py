"""Hold utterances out of a data directory, some of every speaker.

    python local/split.py DATA --output OUT --every 5

writes OUT/valid with every fifth utterance of each speaker, from the last on, and OUT/train. Speech
of few speakers teaches their voices and no others; that is what is measured then.
"""

import argparse
from collections import defaultdict
from pathlib import Path

from audiocodec.data.data_dir import Utterance, read_data_dir, write_data_dir


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--every", type=int, default=5)
    args = parser.parse_args()
    speakers: dict[str, list[Utterance]] = defaultdict(list)
    for utterance in read_data_dir(args.data):
        speakers[utterance.speaker].append(utterance)
    held_out = {u.id for own in speakers.values() for u in own[:: -args.every] if len(own) > 1}
    every = [utterance for own in speakers.values() for utterance in own]
    write_data_dir(args.output / "valid", [u for u in every if u.id in held_out])
    write_data_dir(args.output / "train", [u for u in every if u.id not in held_out])
    print(f"{args.output}: {len(held_out)} of {len(every)} utterances are held out")


if __name__ == "__main__":
    main()
