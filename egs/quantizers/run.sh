#!/usr/bin/env bash
# Every quantizer in the same small codec, on the same data, for the same steps: ./run.sh, on the
# speech that the package ships, or on that of --corpus DIR. --cut true takes two
# minutes and shows that everything works, no more. --modality image compares the same quantizers on
# photographs that scikit-image and scikit-learn ship. Finished rows are not run again; an
# interrupted one is resumed. Paths are relative to where you are.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source path.sh
source cmd.sh
source ../../recipes/stages.sh

modality=speech   # or image
corpus=           # folder of speech; empty: the shipped speech
speaker_from='^(.*)/[^/]+$'  # what of a path below --corpus is the speaker: here its folders
cut=false         # few codes and steps
sizes="10 12 14 16"  # bits of a code
seeds="0 1 2"     # the first for all methods, all for the main ones
methods=          # names of local/methods.py; empty: all
settings=         # of the configuration, A.B=C each
data=data         # folder of the data directories
exp=              # folder of the experiment; empty: by modality, corpus and cut
start=400         # steps of the autoencoder of speech that all rows of a seed start from
frames=400000     # of speech that codes are counted on, at most; 4 for each code
scored=40         # utterances that metrics score
nj=1              # processes that prepare data
parse_options "$@"
[[ $modality == speech || $modality == image ]] || stop "--modality is speech or image"
if [[ -n $corpus ]]; then corpus=$(given "$corpus"); fi
name=$modality
if [[ -n $corpus ]]; then name+=_$(basename "$corpus"); fi
if [[ $cut == true ]]; then
  name+=_cut sizes=8 seeds=0 start=4 frames=1600 scored=2
  if [[ $modality == speech ]]; then settings+=" steps=8 save_every=4 log_every=4 batch_size=2"; fi
  if [[ $modality == image ]]; then
    settings+=" steps=12 autoencoder_steps=4 count_every=4 batch_size=4"
  fi
fi
exp=${exp:-exp/$name} data=$data/$name
read -ra words <<<"$sizes"
options=(--start-steps "$start" --frames "$frames" --scored "$scored" --bits "${words[@]}")
read -ra words <<<"$seeds"
options+=(--seeds "${words[@]}")
read -ra words <<<"$methods"
if ((${#words[@]})); then options+=(--methods "${words[@]}"); fi
for setting in $settings; do options+=(--set "$setting"); done

if [[ $modality == speech ]]; then
  if run_stage 0 "data directories" "$data" "$corpus"; then
    if [[ -n $corpus ]]; then
      codec data prepare folder --audio "$corpus" --speaker-from "$speaker_from" \
        --valid 0.05 --test 0 --output "$data" --jobs "$nj" ||
        [[ $? -eq 3 ]] # some files left out, each named
    else
      codec data prepare samples --output "$data" --valid 2 --jobs "$nj"
    fi
  fi
  options+=(--config conf/speech.yaml --train "$data/train" --valid "$data/valid")
else
  options+=(--config conf/image.yaml)
fi

sweep=$exp/sweeps/$(tr ' ' - <<<"$sizes seeds $seeds $methods")  # rows are kept for larger ones
if run_stage 1 "train and measure the rows" "$sweep" "${options[*]}" "conf/$modality.yaml"; then
  $train_cmd --name quantizers "$exp/log/rows.log" \
    python local/sweep.py --modality "$modality" --output "$exp" "${options[@]}"
fi

if run_stage 2 "table, figures and page" "$exp/page" "$exp/rows" local; then
  python local/page.py --rows "$exp/rows" --output "$exp/page" --command "$COMMAND_LINE"
  cat "$exp/page/README.md"
fi
