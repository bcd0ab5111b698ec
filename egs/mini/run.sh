#!/usr/bin/env bash
# Every stage on the speech that the package ships, on a CPU, in a few minutes: a small codec that
# shows each part at work. Stages that are done are skipped.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source path.sh
source cmd.sh
source ../../recipes/stages.sh

nj=2                    # processes or threads
parts=2                 # jobs that encode together
threads=1               # of the training: on a busy machine two are many times slower than one
config=conf/train.yaml  # of the experiment
exp=exp/mini            # folder of the experiment
parse_options "$@"

if run_stage 0 "data directories of the shipped speech" data; then
  codec data prepare samples --output data --valid 2 --test 2 --jobs "$nj"
fi

if run_stage 1 "validate the data" data/checked data/train data/valid data/test; then
  codec data validate data/train data/valid data/test --jobs "$nj"
fi

if run_stage 2 "train the codec" "$exp" "$config"; then
  $train_cmd --name mini "$exp/log/train.log" codec train --config "$config" --device cpu \
    --train-data data/train --valid-data data/valid --output "$exp" --threads "$threads"
fi

if run_stage 3 "encode the test set" "$exp/codes" data/test; then
  $encode_cmd "JOB=1:$parts" --name encode "$exp/log/encode.JOB.log" \
    codec encode data/test/wav.scp "$exp/codes" --model "$exp/model" --jobs "$nj" \
    --part JOB --of "$parts"
fi

if run_stage 4 "decode it" "$exp/decoded"; then
  codec decode "$exp/codes/codes.scp" "$exp/decoded" --model "$exp/model" --jobs "$nj"
fi

if run_stage 5 "evaluate" "$exp/scores"; then
  codec evaluate --reference data/test --degraded "$exp/decoded" --codes "$exp/codes" \
    --name "$exp" --output "$exp/scores" --jobs "$nj"
  python ../../recipes/results.py --scores "$exp/scores" --results "$exp/RESULTS.md" \
    --command "$COMMAND_LINE"
fi

if run_stage 6 "report and check" "$exp/report"; then
  codec report "$exp/scores" --output "$exp/report/report.html"
  codec report "$exp" --output "$exp/report/curves.html"
  cat "$exp/RESULTS.md"
  python ../../recipes/check_run.py "$exp"
fi
