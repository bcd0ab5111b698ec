#!/usr/bin/env bash
# Run a command as a Slurm job and wait for it; called like local.sh. Further options for sbatch
# (partition, account) go into the variable SLURM_OPTIONS, or `export SBATCH_PARTITION=...`.
#
# Ten minutes' notice before the time limit lets a training save itself; it then leaves with code
# 75, which puts the job back into the queue. Run again while the job is there, this waits for it.
set -euo pipefail

name=codec gpus=0 cpus=2 time=24:00:00 memory=16G
while [[ ${1-} == --* ]]; do
  case $1 in
    --name | --gpus | --cpus | --time | --memory) printf -v "${1#--}" '%s' "$2" ;;
    *) echo "$0: unknown option $1" >&2; exit 2 ;;
  esac
  shift 2
done
[[ $# -ge 2 ]] || { echo "usage: $0 [--gpus N ...] LOG COMMAND [ARG...]" >&2; exit 2; }
log=$1
shift
mkdir -p "$(dirname "$log")"
job_file=$log.job exit_file=$log.exit

write_script() {
  printf '%s\n' '#!/usr/bin/env bash' "#SBATCH --job-name=$name" "#SBATCH --cpus-per-task=$cpus" \
    "#SBATCH --time=$time" "#SBATCH --mem=$memory" '#SBATCH --nodes=1 --ntasks=1' \
    '#SBATCH --requeue' '#SBATCH --open-mode=append' '#SBATCH --signal=B:USR1@600'
  if ((gpus > 0)); then echo "#SBATCH --gpus-per-node=$gpus"; fi
  printf 'command=(%s)\nexit_file=%q\n' "$(printf '%q ' "$@")" "$exit_file"
  cat <<'SCRIPT'
echo "# $(date '+%Y-%m-%d %H:%M:%S'), job $SLURM_JOB_ID on $(hostname): ${command[*]}"
"${command[@]}" &
child=$!
noticed=""
trap 'noticed=limit; kill -USR1 $child' USR1  # the time limit is near
trap 'noticed=end; kill -TERM $child' TERM  # preempted (Slurm requeues) or cancelled (it does not)
code=0
wait $child || code=$?
while kill -0 $child 2>/dev/null; do  # a trap interrupts `wait`; the command is still saving
  code=0
  wait $child || code=$?
done
if [[ $code == 75 && $noticed == limit ]]; then scontrol requeue "$SLURM_JOB_ID" && exit 0; fi
if [[ $noticed == end ]]; then exit $code; fi
echo $code >"$exit_file"
exit $code
SCRIPT
}

in_queue() { [[ -n $(squeue --noheader --jobs "$1" 2>/dev/null) ]]; }

if [[ -f $job_file ]] && job=$(<"$job_file") && in_queue "$job"; then
  echo "$0: job $job is there already, waiting for it" >&2
else
  rm -f "$exit_file"
  write_script "$@" >"$log.sbatch"
  # shellcheck disable=SC2086  # several words
  job=$(sbatch --parsable --chdir "$PWD" --output "$(realpath "$log")" ${SLURM_OPTIONS-} "$log.sbatch")
  job=${job%%;*}  # "id;cluster"
  echo "$job" >"$job_file"
  echo "$0: job $job submitted, its log is $log" >&2
fi
while [[ ! -f $exit_file ]]; do
  if ! in_queue "$job"; then
    sleep "${SLURM_POLL:-15}"  # a shared file system may show the exit code late
    [[ -f $exit_file ]] || { echo "$0: job $job left no exit code; see $log" >&2; exit 1; }
  fi
  sleep "${SLURM_POLL:-15}"
done
rm -f "$job_file"
exit "$(<"$exit_file")"
