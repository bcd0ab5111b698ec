# shellcheck shell=bash disable=SC2034
# What launchers have in common: their options, JOB=FIRST:LAST and LOG, taken off "$@" by sourcing
# this file; and how they tell of the jobs of an array.
name=codec gpus=0 cpus=2 time=24:00:00 memory=16G at_once="" first="" last=""
while [[ ${1-} == --* || ${1-} == JOB=* ]]; do
  case $1 in
    JOB=*)
      if [[ ! $1 =~ ^JOB=([0-9]+):([0-9]+)$ ]] || ((10#${BASH_REMATCH[1]} > 10#${BASH_REMATCH[2]})); then
        echo "$0: '$1' is no array of jobs; write JOB=1:8" >&2
        exit 2
      fi
      first=$((10#${BASH_REMATCH[1]})) last=$((10#${BASH_REMATCH[2]}))
      shift
      continue ;;
    --name | --gpus | --cpus | --time | --memory | --at-once)
      option=${1#--}
      [[ $# -ge 2 ]] || { echo "$0: $1 needs a value" >&2; exit 2; }
      printf -v "${option//-/_}" '%s' "$2" ;;
    *) echo "$0: unknown option $1" >&2; exit 2 ;;
  esac
  shift 2
done
[[ $# -ge 2 ]] || { echo "usage: $0 [--gpus N ...] [JOB=FIRST:LAST] LOG COMMAND [ARG...]" >&2; exit 2; }
log=$1
shift
if [[ -n $first && $log != *JOB* ]]; then
  echo "$0: jobs would share the log $log; put JOB into its name" >&2
  exit 2
fi

# Say which jobs of the array failed, by `codes`, and leave with the exit code of the array.
report_codes() {
  local job code=0 failed=0
  for job in "${!codes[@]}"; do
    if ((codes[job] == 0)); then continue; fi
    failed=$((failed + 1))
    echo "$0: job $job failed with exit code ${codes[job]}; see ${log//JOB/$job}" >&2
    if ((code == 0 || (code == 3 && codes[job] != 3))); then code=${codes[job]}; fi
  done
  if ((failed)); then echo "$0: $failed of ${#codes[@]} jobs failed" >&2; fi
  exit "$code"
}
