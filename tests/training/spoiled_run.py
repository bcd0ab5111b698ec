"""A run of which one process gets bad crops: spoiled_run.py DATA EXP, for test_distributed.py."""

import logging
import sys
from pathlib import Path

from audiocodec.data.data_dir import read_data_dir
from audiocodec.training.trainer import Trainer
from tests.training.helpers import tiny_config

logging.basicConfig(level=logging.WARNING, stream=sys.stdout, format="%(message)s")
rows = read_data_dir(sys.argv[1])
trainer = Trainer(tiny_config(steps=10), Path(sys.argv[2]), rows, rows[:2], cpu=True)
inner = trainer.batches


def batches():
    for batch in inner():
        if trainer.state.step in (2, 8) and trainer.rank == 1:
            batch.waveform[1] = float("nan")
            print(f"spoiled {batch.utterance_ids[1]}", flush=True)
        yield batch


trainer.batches = batches
trainer.run()
