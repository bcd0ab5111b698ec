#!/usr/bin/env bash
# Run a command here. Every launcher is called alike:
#
#     LAUNCHER [--name NAME] [--gpus N] [--cpus N] [--time T] [--memory M] LOG COMMAND [ARG...]
#
# and returns the command's exit code. Here the resources are not looked at; what the command
# writes is shown and appended to LOG.
set -euo pipefail

while [[ ${1-} == --* ]]; do shift 2; done
[[ $# -ge 2 ]] || { echo "usage: $0 [--gpus N ...] LOG COMMAND [ARG...]" >&2; exit 2; }
log=$1
shift
mkdir -p "$(dirname "$log")"
printf '# %s: %s\n' "$(date '+%Y-%m-%d %H:%M:%S')" "$(printf '%q ' "$@")" >>"$log"
"$@" 2>&1 | tee -a "$log"
