#!/usr/bin/env bash
# Run a command as a Slurm job, or as an array of them, and wait for it; called like local.sh.
# Further options for sbatch (partition, account) go into the variable SLURM_OPTIONS, or
# `export SBATCH_PARTITION=...`. Of an array, --at-once says how many jobs may run at once.
#
# Ten minutes' notice before the time limit lets a training save itself; it then leaves with code
# 75, which puts the job back into the queue. Run again while the job is there, this waits for it.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/options.sh"

job_file=$log.job array=()
if [[ -n $first ]]; then array=("--array=$first-$last${at_once:+%$at_once}"); fi

for ((number = ${first:-0}; number <= ${last:-0}; number++)); do
  mkdir -p "$(dirname "$log")" "$(dirname "${log//JOB/$number}")"
done

exit_file() { echo "${log//JOB/$1}.exit"; }

write_script() {
  printf '%s\n' '#!/usr/bin/env bash' "#SBATCH --job-name=$name" "#SBATCH --cpus-per-task=$cpus" \
    "#SBATCH --time=$time" "#SBATCH --mem=$memory" '#SBATCH --nodes=1 --ntasks=1' \
    '#SBATCH --requeue' '#SBATCH --open-mode=append' '#SBATCH --signal=B:USR1@600'
  if ((gpus > 0)); then echo "#SBATCH --gpus-per-node=$gpus"; fi
  printf 'command=(%s)\nexit_file=%q\n' "$(printf '%q ' "$@")" "$log.exit"
  if [[ -n $first ]]; then
    cat <<'SCRIPT'
command=("${command[@]//JOB/$SLURM_ARRAY_TASK_ID}")
exit_file=${exit_file//JOB/$SLURM_ARRAY_TASK_ID}
SCRIPT
  fi
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

finished() {  # whether every job has left its exit code
  local job
  for ((job = ${first:-0}; job <= ${last:-0}; job++)); do
    [[ -f $(exit_file "$job") ]] || return 1
  done
}

if [[ -f $job_file ]] && job=$(<"$job_file") && in_queue "$job"; then
  echo "$0: job $job is there already, waiting for it" >&2
else
  for ((number = ${first:-0}; number <= ${last:-0}; number++)); do rm -f "$(exit_file "$number")"; done
  write_script "$@" >"$log.sbatch"
  output=$(realpath "$log")
  if [[ -n $first ]]; then output=${output//JOB/%a}; fi
  # shellcheck disable=SC2086  # several words
  job=$(sbatch --parsable "${array[@]}" --chdir "$PWD" --output "$output" ${SLURM_OPTIONS-} "$log.sbatch")
  job=${job%%;*}  # "id;cluster"
  echo "$job" >"$job_file"
  echo "$0: job $job submitted, its log is $log" >&2
fi
while ! finished; do
  if ! in_queue "$job"; then
    sleep "${SLURM_POLL:-15}"  # a shared file system may show the exit code late
    finished || break
  fi
  sleep "${SLURM_POLL:-15}"
done
codes=() lost=()
for ((number = ${first:-0}; number <= ${last:-0}; number++)); do
  file=$(exit_file "$number")
  if [[ -f $file ]]; then codes[number]=$(<"$file"); else lost+=("$number") codes[number]=1; fi
done
if ((${#lost[@]})); then
  where=${first:+ (of its jobs ${lost[*]})}
  echo "$0: job $job left no exit code$where; see $log" >&2
else
  rm -f "$job_file"
fi
if [[ -z $first ]]; then exit "${codes[0]}"; fi
report_codes
