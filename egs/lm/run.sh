#!/usr/bin/env bash
# A small language model of tokens: ./run.sh, on the speech that the package ships, in some minutes on
# a CPU, or on that of --corpus DIR. It ends with a page on which prompts are continued, and with
# perplexities beside those of n-grams. --cut true shows in seconds that everything works, no more.
# Interrupted training goes on where it was. Paths are relative to where you are.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source path.sh
source cmd.sh
source ../../recipes/stages.sh

corpus=           # folder of speech; empty: the shipped speech
speaker_from='^(.*)/[^/]+$'  # what of a path below --corpus is the speaker: here its folders
cut=false         # a tiny model and few steps
codec=speech_24k  # whose tokens
config=conf/lm.yaml
settings=         # of the configuration, A=B each
prompt=1.5        # seconds that are given
seconds=2         # that the model makes
clips=4           # on the page
data=data         # folder of the data directories
exp=              # folder of the experiment; empty: by corpus and cut
nj=1              # processes that prepare data
parts=1           # jobs that encode together
parse_options "$@"
name=samples
if [[ -n $corpus ]]; then corpus=$(given "$corpus") name=$(basename "$corpus"); fi
if [[ $cut == true ]]; then
  name+=_cut clips=1 seconds=0.5
  settings+=" steps=4 validate_every=2 hidden=16 batch_size=2 frames=30"
fi
exp=${exp:-exp/$name} data=$data/$name
options=()
for setting in $settings; do options+=(--set "$setting"); done

if run_stage 0 "data directories" "$data" "$corpus" "$speaker_from"; then
  if [[ -n $corpus ]]; then
    codec data prepare folder --audio "$corpus" --speaker-from "$speaker_from" \
      --valid 0.05 --test 0 --output "$data" --jobs "$nj" ||
      [[ $? -eq 3 ]] # some files left out, each named
  else
    codec data prepare samples --output "$data/all" --valid 0 --test 0 --jobs "$nj"
    python local/split.py "$data/all/train" --output "$data"
  fi
fi

if run_stage 1 "tokens" "$exp/tokens" "$data/train" "$data/valid" "$codec"; then
  for part in train valid; do
    $encode_cmd "JOB=1:$parts" --name encode "$exp/log/encode.$part.JOB.log" \
      codec encode "$data/$part" "$exp/tokens/$part" --model "$codec" --format parquet \
      --skip-existing --jobs "$nj" --part JOB --of "$parts"
  done
fi

if run_stage 2 "train the language model" "$exp/model" "$config" "${options[*]}"; then
  $train_cmd --name lm "$exp/log/train.log" python local/train.py --config "$config" \
    "${options[@]}" --train "$exp/tokens/train" --valid "$exp/tokens/valid" --codec "$codec" \
    --output "$exp/model"
fi

if run_stage 3 "perplexity, beside n-grams" "$exp/scores"; then
  python local/perplexity.py --model "$exp/model/model.pt" --codec "$codec" \
    --train "$exp/tokens/train" --valid "$exp/tokens/valid" --output "$exp/scores/perplexity.json"
fi

if run_stage 4 "continuations and their page" "$exp/page" "$prompt $seconds $clips" local; then
  python local/generate.py --model "$exp/model/model.pt" --codec "$codec" \
    --train "$exp/tokens/train" --valid "$exp/tokens/valid" \
    --perplexity "$exp/scores/perplexity.json" --prompt "$prompt" --seconds "$seconds" \
    --clips "$clips" --output "$exp/page" --command "$COMMAND_LINE"
  cat "$exp/page/README.md"
fi
