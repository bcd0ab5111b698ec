#!/usr/bin/env bash
# A codec of LibriTTS, 585 hours at 24 kHz: ./run.sh --corpus DIR, or without it the sets are
# downloaded. DIR (with train-clean-100 and so on, or LibriTTS) is relative to where you are, other
# paths to the recipe. Finished stages are skipped; an interrupted one is resumed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source path.sh
source cmd.sh
source ../../recipes/stages.sh

corpus=                   # folder of the corpus; empty: download
url=https://www.openslr.org/resources/60
train_sets="train-clean-100 train-clean-360 train-other-500"
valid_sets="dev-clean"
test_sets="test-clean test-other"
nj=8                      # processes or threads
gpus=1                    # 0 trains on the CPU
parts=1                   # jobs that encode a set together
threads=1                 # of the CPU
config=conf/train.yaml    # of the experiment
data=data                 # folder of the data directories
exp=exp/libritts          # folder of the experiment
num_quantizers=           # stages to keep: a row of results each; empty: 1 2 4 ... all
parse_options "$@"
if [[ -z $num_quantizers ]]; then num_quantizers=$(python ../../recipes/rates.py "$config"); fi
device=cpu cpu=(--device cpu --threads "$threads")
if ((gpus > 0)); then device=cuda cpu=(); fi
if [[ -n $corpus ]]; then corpus=$(given "$corpus"); fi
read -ra train <<<"$train_sets"
read -ra valid <<<"$valid_sets"
read -ra sets <<<"$train_sets $valid_sets $test_sets"

# The corpus counts by its name: listing a million files at each start would take minutes.
if run_stage 0 "download and unpack" downloads/wanted "corpus $corpus" "${sets[*]}"; then
  for set in "${sets[@]}"; do
    if [[ -n $corpus || -e downloads/$set.done ]]; then continue; fi
    checksum=$(awk -v set="$set" '$2 == set { print $1 }' conf/sha256)
    ../../recipes/download.sh "$url/$set.tar.gz" "downloads/$set.tar.gz" "$checksum"
    tar -xzf "downloads/$set.tar.gz" -C downloads && touch "downloads/$set.done"
  done
fi

if run_stage 1 "data directories" "$data"; then
  codec data prepare libritts --corpus "${corpus:-downloads}" --output "$data" --jobs "$nj" ||
    [[ $? -eq 3 ]] # some files left out, each named
fi

if run_stage 2 "validate the data, leave out what is unusable" "$data/checked" \
  "${sets[@]/#/$data/}"; then
  codec data validate "${sets[@]/#/$data/}" --sample-rate 24000 --fix "$data/checked" \
    --jobs "$nj" >"$data/checked/findings.tsv"
fi

if run_stage 3 "train the codec" "$exp" "$config" "${train[*]}" "${valid[*]}"; then
  $train_cmd --name train --gpus "$gpus" "$exp/log/train.log" \
    ../../recipes/launch/processes.sh "$gpus" codec train --config "$config" --output "$exp" \
    --train-data "${train[@]/#/$data/checked/}" --valid-data "${valid[@]/#/$data/checked/}" \
    --jobs "$nj" "${cpu[@]}"
fi

if run_stage 4 "encode and decode the test sets" "$exp/test" "$test_sets" "$num_quantizers"; then
  for set in $test_sets; do
    for n in $num_quantizers; do
      out=$exp/test/$set/$n
      $encode_cmd "JOB=1:$parts" --name encode --gpus "$((gpus > 0))" "$out/log/encode.JOB.log" \
        codec encode "$data/checked/$set/wav.scp" "$out/codes" --model "$exp/model" \
        --num-quantizers "$n" --device "$device" --skip-existing --part JOB --of "$parts"
      $infer_cmd --name decode --gpus "$((gpus > 0))" "$out/decode.log" \
        codec decode "$out/codes/codes.scp" "$out/audio" --model "$exp/model" --device "$device" \
        --skip-existing
    done
  done
fi

if run_stage 5 "evaluate" "$exp/scores"; then
  for set in $test_sets; do
    for n in $num_quantizers; do
      codec evaluate --reference "$data/checked/$set" --degraded "$exp/test/$set/$n/audio" \
        --codes "$exp/test/$set/$n/codes" --name "$exp, $n of its stages, $set" \
        --output "$exp/scores/$set/$n" --jobs "$nj" ||
        [[ $? -eq 3 ]] # some could not be scored, which the results count
      python ../../recipes/results.py --scores "$exp/scores/$set/$n" --results "$exp/RESULTS.md" \
        --command "$COMMAND_LINE"
    done
  done
fi

if run_stage 6 "report" "$exp/report"; then
  read -ra stages <<<"$num_quantizers"
  for set in $test_sets; do
    codec report "${stages[@]/#/$exp/scores/$set/}" --output "$exp/report/$set.html"
  done
  codec report "$exp" --output "$exp/report/curves.html"
  cat "$exp/RESULTS.md"
fi
