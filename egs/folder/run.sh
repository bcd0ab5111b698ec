#!/usr/bin/env bash
# A codec of any folder of audio: ./run.sh --audio DIR. Speakers are the first folders below DIR, or
# what --speaker-from REGEX finds in a path; none is in two of the sets train, valid and test.
# DIR is relative to where you are, other paths to the recipe. Stages that are done are skipped.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source path.sh
source cmd.sh
source ../../recipes/stages.sh

audio=                    # folder of audio
speaker_from='^([^/]+)/'  # its first group is the speaker
valid=0.1                 # share of the speakers, or their number from 1
test=0.1                  # likewise
seed=0                    # of the split
nj=4                      # processes or threads
gpus=0                    # 0 trains on the CPU
parts=1                   # jobs that encode a set together
threads=1                 # of the CPU
config=conf/train.yaml    # of the experiment
data=data                 # folder of the data directories
exp=exp/folder            # folder of the experiment
num_quantizers=           # stages to keep: a row of results each; empty: 1 2 4 ... all
parse_options "$@"
if [[ -z $num_quantizers ]]; then num_quantizers=$(python ../../recipes/rates.py "$config"); fi
[[ -n $audio ]] || stop "say where the audio is with --audio DIR"
audio=$(given "$audio")
device=cpu cpu=(--device cpu --threads "$threads")
if ((gpus > 0)); then device=cuda cpu=(); fi

if run_stage 0 "data directories, split by speaker" "$data" \
  "$audio" "$speaker_from" "$valid" "$test" "$seed"; then
  codec data prepare folder --audio "$audio" --speaker-from "$speaker_from" --output "$data" \
    --valid "$valid" --test "$test" --seed "$seed" --jobs "$nj" ||
    [[ $? -eq 3 ]] # some files left out, each named
fi

if run_stage 1 "validate the data, leave out what is unusable" "$data/checked" \
  "$data/train" "$data/valid" "$data/test"; then
  codec data validate "$data/train" "$data/valid" "$data/test" --fix "$data/checked" \
    --jobs "$nj" >"$data/checked/findings.tsv"
fi

if run_stage 2 "train the codec" "$exp" "$config"; then
  $train_cmd --name train --gpus "$gpus" "$exp/log/train.log" \
    ../../recipes/launch/processes.sh "$gpus" codec train --config "$config" --output "$exp" \
    --train-data "$data/checked/train" --valid-data "$data/checked/valid" --jobs "$nj" "${cpu[@]}"
fi

if run_stage 3 "encode and decode the test set" "$exp/test" "$num_quantizers"; then
  for n in $num_quantizers; do
    out=$exp/test/$n
    $encode_cmd "JOB=1:$parts" --name encode --gpus "$((gpus > 0))" "$out/log/encode.JOB.log" \
      codec encode "$data/checked/test/wav.scp" "$out/codes" --model "$exp/model" \
      --num-quantizers "$n" --device "$device" --skip-existing --part JOB --of "$parts"
    $infer_cmd --name decode --gpus "$((gpus > 0))" "$out/decode.log" \
      codec decode "$out/codes/codes.scp" "$out/audio" --model "$exp/model" --device "$device" \
      --skip-existing
  done
fi

if run_stage 4 "evaluate" "$exp/scores"; then
  for n in $num_quantizers; do
    codec evaluate --reference "$data/checked/test" --degraded "$exp/test/$n/audio" \
      --codes "$exp/test/$n/codes" --name "$exp, $n of its stages" \
      --output "$exp/scores/$n" --jobs "$nj" ||
      [[ $? -eq 3 ]] # some could not be scored, which the results count
    python ../../recipes/results.py --scores "$exp/scores/$n" --results "$exp/RESULTS.md" \
      --command "$COMMAND_LINE"
  done
fi

if run_stage 5 "report" "$exp/report"; then
  read -ra stages <<<"$num_quantizers"
  codec report "${stages[@]/#/$exp/scores/}" --output "$exp/report/report.html"
  codec report "$exp" --output "$exp/report/curves.html"
  cat "$exp/RESULTS.md"
fi
