#!/usr/bin/env bash
# Run a command here, or as an array of jobs. Every launcher is called alike:
#
#     LAUNCHER [--name NAME] [--gpus N] [--cpus N] [--time T] [--memory M] [--at-once N] \
#       [JOB=FIRST:LAST] LOG COMMAND [ARG...]
#
# With JOB=1:4 the command runs four times; in LOG, which must contain it, and in every ARG, JOB
# becomes the number of the job, as in Kaldi. The launcher returns the command's exit code; of an
# array, that of the first job that failed, or 3 (some inputs failed) if no job did worse.
#
# Here a command shows what it writes and appends it to LOG; jobs of an array write to their LOGs
# alone. As many run at once as --at-once says, else as there are times --cpus cores, and one where
# GPUs are wanted. The other resources are not looked at.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/options.sh"

if [[ -z $first ]]; then
  mkdir -p "$(dirname "$log")"
  printf '# %s: %s\n' "$(date '+%Y-%m-%d %H:%M:%S')" "$(printf '%q ' "$@")" >>"$log"
  "$@" 2>&1 | tee -a "$log"
  exit
fi

if [[ -z $at_once ]]; then
  at_once=$(($(nproc) / cpus))
  if ((at_once < 1 || gpus > 0)); then at_once=1; fi
fi
set -m  # each job a group of processes, which is ended as one
children=()
trap 'last=-1; for child in "${children[@]}"; do kill -TERM -- "-$child" 2>/dev/null || true; done' INT TERM
for ((job = first; job <= last; job++)); do
  while (($(jobs -rp | wc -l) >= at_once)); do wait -n || true; done
  "$0" "${log//JOB/$job}" "${@//JOB/$job}" >/dev/null 2>&1 &
  children[job]=$!
done
codes=()
for job in "${!children[@]}"; do
  codes[job]=0
  wait "${children[job]}" || codes[job]=$?
done
report_codes
