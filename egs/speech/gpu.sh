#!/usr/bin/env bash
# Minutes on a borrowed machine with a GPU and without a network, from where the recipe stands:
#
#   ./gpu.sh --do pack      here: speech, code, the newest checkpoint and missing packages into
#                           PACK, 40 MB in all
#   ./gpu.sh --do train     there, with PACK: train for so many minutes; RETURNED has the newest
#                           checkpoint of every minute in parts of 15 MB, and the log
#   ./gpu.sh --do measure   there: RETURNED/measured.json has throughput and memory of the
#                           configurations beside their estimates, and codes of CPU and GPU compared
#   ./gpu.sh --do take      here: RETURNED becomes a checkpoint of the experiment, which goes on
#                           with `codec train ... --allow-changes`
#
# There, PACK may be all there is: tar -xzf PACK/code.tar.gz, then egs/speech/gpu.sh --do train.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source path.sh
source ../../recipes/stages.sh

do=pack
data=data                     # folder with the data directories train and valid
exp=exp/speech_24k            # the experiment to go on with, if it has a checkpoint
config=conf/speech_24k.yaml
pack=exp/gpu/pack
returned=exp/gpu/returned
work=exp/gpu/work             # folder for what is needed there
megabytes=40                  # of the pack
returned_megabytes=60         # of the parts of a checkpoint
kbps=16                       # of the packed speech
packages="soundfile cffi pycparser soxr pebble pystoi"  # that the other machine lacks
python_version=3.12           # of the other machine
minutes=9
batch_size=64
save_every=200                # steps
settings=                     # further A.B=C for the training, separated by spaces
cpu=false                     # to try all of it without a GPU
parse_options "$@"
root=$(cd ../.. && pwd)

megabytes_of() { du -sb "$@" | awk '{ sum += $1 } END { printf "%.1f", sum / 1e6 }'; }

pack_all() {
  mkdir -p "$pack"
  rm -rf "$pack/wheels" "$pack/checkpoint"
  git -C "$root" archive --format tar.gz HEAD -- . ':!audiocodec/assets/speech_24k' \
    >"$pack/code.tar.gz"
  cp "$config" "$pack/config.yaml"
  for package in $packages; do
    python -m pip download --quiet --no-deps --only-binary=:all: --dest "$pack/wheels" \
      --python-version "$python_version" --implementation cp --platform manylinux_2_28_x86_64 \
      --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 "$package"
  done
  if [[ -d $exp/checkpoints ]]; then
    python local/shrink.py split --experiment "$exp" --output "$pack/checkpoint" \
      --megabytes "$(awk "BEGIN { print $megabytes / 2 }")"
  fi
  local left
  left=$(awk "BEGIN { print $megabytes - 0.2 - $(megabytes_of "$pack"/[!a]*) }")
  python local/pack.py pack --data "$data" --output "$pack" --megabytes "$left" --kbps "$kbps"
  log "$pack: $(megabytes_of "$pack") MB"
}

prepare() { # what the machine lacks
  export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}
  if [[ $cpu == false && -d $pack/wheels ]]; then
    python3 -m pip install --quiet --no-index --no-deps --upgrade --target "$work/site" \
      "$pack"/wheels/*.whl
    export PYTHONPATH=$PYTHONPATH:$(cd "$work/site" && pwd)
  fi
  mkdir -p "$returned"
}

train() {
  local end=$((SECONDS + 60 * minutes)) run=$work/run options=() next word
  prepare
  rm -rf "$work/run" "$work/data"
  python3 local/pack.py unpack --pack "$pack" --output "$work/data" --jobs "$(nproc)"
  if [[ -d $pack/checkpoint ]]; then
    python3 local/shrink.py join --parts "$pack/checkpoint" --experiment "$run"
  fi
  for word in batch_size="$batch_size" precision=bf16 save_every="$save_every" keep_checkpoints=2 \
    validate_every=1000000 $settings; do options+=(--set "$word"); done
  if [[ $cpu == true ]]; then options+=(--device cpu --threads 1); fi
  log "training, $((end - SECONDS)) s are left"
  timeout --signal TERM "$((end - SECONDS))" python3 -m audiocodec train --allow-changes \
    --config "$pack/config.yaml" --train-data "$work/data/train" --valid-data "$work/data/valid" \
    --output "$run" "${options[@]}" &
  local training=$!
  next=$((SECONDS + 60))
  while kill -0 "$training" 2>/dev/null; do
    sleep 1
    if ((SECONDS >= next)); then
      keep "$run" || log "nothing saved this minute"
      next=$((SECONDS + 60))
    fi
  done
  wait "$training" || [[ $? =~ ^(75|124)$ ]] # stopped in time
  keep "$run"
}

keep() { # newest checkpoint and log of RUN
  python3 local/shrink.py split --experiment "$1" --output "$returned/checkpoint" \
    --megabytes "$returned_megabytes"
  cp "$1/log.jsonl" "$1/train.log" "$returned"
}

measure() {
  prepare
  local device=cuda
  if [[ $cpu == true ]]; then device=cpu; fi
  python3 local/measure_gpu.py --device "$device" --output "$returned/measured.json"
}

take() {
  python local/shrink.py join --parts "$returned/checkpoint" --experiment "$exp"
}

case $do in
  pack) pack_all ;;
  train | measure | take) "$do" ;;
  *) stop "--do takes pack, train, measure or take, not '$do'" ;;
esac
