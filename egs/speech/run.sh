#!/usr/bin/env bash
# The model that the package ships: ./run.sh --corpus DIR --dev DIR. DIR/manifest.tsv says which
# recordings are free for any use (local/prepare.py); --dev is a folder of speech to score it on,
# which it must never have seen. A model is named after its --config. Paths are relative to where
# you are. Done stages are skipped.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source path.sh
source cmd.sh
source ../../recipes/stages.sh

corpus=                       # folder with manifest.tsv
dev=                          # folder of audio to score the model on
nj=2                          # processes or threads
parts=1                       # jobs that encode the training speech together
threads=2                     # of the training; 1 beside other work
config=conf/speech_24k.yaml   # of the experiment
exp=                          # folder of the experiment; empty: exp/ and the name of --config
start=                        # model whose encoder and decoder to start from; empty: from scratch
settings=                     # of the configuration, A.B=C each
num_quantizers=               # stages to score: a row of the card each; empty: 1 2 4 ... all
metrics=default,dnsmos,voicing_f1_pyin,f0_rmse_pyin  # the last two take the longest
parse_options "$@"
if [[ -z $num_quantizers ]]; then num_quantizers=$(python ../../recipes/rates.py "$config"); fi
[[ -n $corpus && -n $dev ]] || stop "say where the speech is with --corpus DIR and --dev DIR"
corpus=$(given "$corpus") dev=$(given "$dev")
name=$(basename "$config" .yaml)
exp=${exp:-exp/$name} model=$exp/release/$name
training=()
if [[ $start == */* ]]; then start=$(given "$start"); fi
if [[ -n $start ]]; then training=(--init-from "$start" --init-matching); fi
for setting in $settings; do training+=(--set "$setting"); done

if run_stage 0 "data directories of what is free for any use" data "$corpus/manifest.tsv"; then
  python local/prepare.py --corpus "$corpus" --output data --jobs "$nj"
fi

if run_stage 1 "validate the data" data/checked data/train data/valid; then
  codec data validate data/train data/valid --jobs "$nj"
fi

if run_stage 2 "train the codec" "$exp" "$config" "$start $settings"; then
  $train_cmd --name train "$exp/log/train.log" codec train --config "$config" --device cpu \
    --train-data data/train --valid-data data/valid --output "$exp" --threads "$threads" \
    "${training[@]}"
fi

if run_stage 3 "release the best model in half precision" "$exp/release"; then
  codec model export "$exp" "$model" --half
fi

if run_stage 4 "entropy tables from its codes of the training speech" "$exp/codes" "$nj"; then
  $encode_cmd "JOB=1:$parts" --name encode "$exp/codes/log/encode.JOB.log" \
    codec encode data/train/wav.scp "$exp/codes/train" --model "$model" \
    --jobs "$nj" --skip-existing --part JOB --of "$parts"
  codec model fit-entropy "$exp/codes/train" --model "$model"
fi

if run_stage 5 "score it on speech it never saw" "$exp/results" "$num_quantizers" "$dev" "$metrics"; then
  for n in $num_quantizers; do
    codec evaluate --reference "$dev" --model "$model" --num-quantizers "$n" --metrics "$metrics" \
      --output "$exp/results/$n" --jobs "$nj" >/dev/null ||
      [[ $? -eq 3 ]] # some could not be scored, which the card counts
  done
  read -ra stages <<<"$num_quantizers"
  codec report "${stages[@]/#/$exp/results/}" --output "$exp/results/report.html"
  codec bench --model "$model" --threads 1 --json >"$exp/results/bench.json"
  codec model usage --model "$model" "$dev" "$exp/codes/train" --output "$exp/results"
fi

if run_stage 6 "model card" "$exp/card"; then
  python local/card.py --model "$model" --experiment "$exp" --data data/train \
    --results "$exp/results" --command "$COMMAND_LINE" >"$model/README.md"
  cat "$model/README.md"
  log "to ship it: cp -r $model ../../audiocodec/assets/, and give the model that" \
    "was there a line in audiocodec/models/former.py"
fi
