"""Print the numbers of quantizers that a codec is scored at: 1 2 4 ... and all that it has.

python recipes/rates.py conf/train.yaml
"""

import sys

from audiocodec.config import load_config
from audiocodec.quantization import QUANTIZERS
from audiocodec.training.config import TrainConfig


def main() -> None:
    codec = load_config(TrainConfig, sys.argv[1]).codec
    count = QUANTIZERS.build(codec.quantizer, codec.latent_dim).num_quantizers
    print(*(n for n in range(1, count) if n.bit_count() == 1), count)


if __name__ == "__main__":
    main()
