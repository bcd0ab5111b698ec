"""How fast is it beside other codecs, and what do they cost? A row each; prints JSON.

python benchmarks/peers.py                       # all of them, 1 thread and 2
python benchmarks/peers.py --against encodec     # any options of `codec bench` but --json
"""

import json
import subprocess
import sys

from audiocodec.peers.loading import PEERS
from audiocodec.peers.speed import as_rows

DEFAULTS = ["--against", ",".join(PEERS), "--threads", "1", "2", "--repeats", "3"]


def main() -> None:
    command = [sys.executable, "-m", "audiocodec", "bench", *DEFAULTS, *sys.argv[1:], "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if not done.stdout:  # it has said why
        sys.exit(done.returncode)
    report = json.loads(done.stdout)
    report["codecs"] = as_rows(report["codecs"], report.pop("ours"))
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
