#!/usr/bin/env bash
# Run a command as N processes of one distributed training on this machine, one a GPU:
#
#     processes.sh N COMMAND [ARG...]
#
# INT, TERM and USR1 reach every process, and the exit code is the first that is not 0: a training
# that was told to stop saves itself and leaves with code 75, which torchrun would make a 1 (and it
# dies of USR1). If one process fails, the others are stopped. With N of 0 or 1 nothing is added.
set -uo pipefail

[[ $# -ge 2 && $1 =~ ^[0-9]+$ ]] || { echo "usage: $0 N COMMAND [ARG...]" >&2; exit 2; }
count=$1
shift
((count > 1)) || exec "$@"

export MASTER_ADDR=127.0.0.1 MASTER_PORT=${MASTER_PORT:-$((20000 + RANDOM % 10000))}
export WORLD_SIZE=$count LOCAL_WORLD_SIZE=$count
children=() code=0 deadline=0
pass_on() { kill "-$1" "${children[@]}" 2>/dev/null; }
trap 'pass_on TERM' INT TERM  # INT is ignored by what bash starts in the background
trap 'pass_on USR1' USR1
for ((rank = 0; rank < count; rank++)); do
  RANK=$rank LOCAL_RANK=$rank "$@" &
  children+=($!)
done
while ((${#children[@]})); do
  running=()
  for child in "${children[@]}"; do
    if kill -0 "$child" 2>/dev/null; then
      running+=("$child")
    else
      wait "$child"
      status=$?
      if ((status != 0 && code == 0)); then
        code=$status deadline=$((SECONDS + ${GRACE_SECONDS:-60}))
        ((code == 75)) || pass_on TERM  # after 75 the others are saving, too
      fi
    fi
  done
  children=("${running[@]}")
  # A process that waits for one that is gone hears no TERM.
  if ((code != 0 && SECONDS > deadline)); then pass_on KILL; fi
  ((${#children[@]} == 0)) || sleep 0.5
done
exit "$code"
