# shellcheck shell=bash
# What every recipe shares: options and stages. In the recipe's folder source it, then
#
#     seed=1  # variables, which are the options
#     parse_options "$@"
#     if run_stage 0 "title" OUTPUT INPUT...; then
#       commands
#     fi
#
# A finished stage leaves a stamp in OUTPUT/.stages, keyed by its commands in run.sh, its inputs
# (contents of files and data directories, names and sizes in other folders, other words as they
# are) and the keys of the stages before it. With the same key it is skipped, or, if it was killed,
# goes on in OUTPUT. With another key it starts anew; the former OUTPUT is kept as OUTPUT.1, .2, ...

stage=0         # first stage to run
stop_stage=100  # last stage to run
force=false     # run stages that are done, too

COMMAND_LINE=$(printf "%q " "$0" "$@")  # for results
export COMMAND_LINE
_script=$PWD/${0##*/}  # recipes run in their own folder
_chain=""  # key of the newest stage
_stamp=""  # of the stage that is running
trap '_finish_stage $?' EXIT

log() { printf '%s  %s\n' "$(date '+%Y-%m-%d %H:%M:%S')" "$*" >&2; }

stop() {
  printf '%s: error: %s\n' "${_script##*/}" "$*" >&2
  exit 2
}

# given PATH: a path that is relative to where the user started the recipe, absolute.
given() {
  if [[ $1 == /* ]]; then echo "$1"; else echo "${OLDPWD:-$PWD}/$1"; fi
}

# parse_options "$@": every variable set above the call is an option; a misspelt one stops the run.
parse_options() {
  while [[ $# -gt 0 ]]; do
    local option=$1 name value
    if [[ $option == --help || $option == -h ]]; then _usage; exit 0; fi
    [[ $option == --[a-z]* ]] || stop "unexpected word '$option'; options are --name VALUE (see --help)"
    name=${option#--}
    if [[ $name == *=* ]]; then
      value=${name#*=}
      shift
    else
      [[ $# -ge 2 ]] || stop "$option needs a value"
      value=$2
      shift 2
    fi
    name=${name%%=*}
    name=${name//-/_}
    [[ $name =~ ^[a-z][a-z0-9_]*$ && -n ${!name+set} ]] ||
      stop "unknown option --${name//_/-} (see --help)"
    if [[ ${!name} == true || ${!name} == false ]]; then
      [[ $value == true || $value == false ]] || stop "$option takes true or false, not '$value'"
    fi
    printf -v "$name" '%s' "$value"
  done
  [[ $stage$stop_stage =~ ^[0-9]+$ ]] || stop "--stage and --stop-stage take numbers"
}

_usage() {
  awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$_script"
  printf '\nOptions, with their defaults:\n'
  _defaults "$_script" '^parse_options'
  _defaults "${BASH_SOURCE[0]}" '^COMMAND_LINE'
}

_defaults() {  # FILE END: the assignments of FILE above the line END, as options
  sed -n "/$2/q"'; s/^\([a-z][a-z0-9_]*\)=\(.*\)$/  --\1 \2/p' "$1" |
    sed ':again; s/^\(  --[a-z0-9-]*\)_/\1-/; t again'
}

# run_stage NUMBER TITLE OUTPUT INPUT...: whether the stage must run.
run_stage() {
  _finish_stage 0
  local number=$1 title=$2 output=$3
  shift 3
  [[ -n $output && $output != / && $output != . ]] || stop "stage $number has no output folder"
  _chain=$(_key "$number" "$@") || stop "cannot read the inputs of stage $number: $*"
  if ((number < stage || number > stop_stage)); then return 1; fi
  local stamp=$output/.stages/$number former=""
  [[ -f $stamp ]] && former=$(<"$stamp")
  if [[ $former == "$_chain done" && $force == false ]]; then
    log "stage $number: $title: done before (--force true redoes it)"
    return 1
  fi
  if [[ -n $former && $former != "$_chain started" ]]; then _set_aside "$output"; fi
  log "stage $number: $title"
  mkdir -p "$output/.stages" || stop "cannot write to $output"
  echo "$_chain started" >"$stamp"
  _stamp=$stamp
  SECONDS=0
}

# _finish_stage STATUS: stamp the stage that was running, or say that it failed.
_finish_stage() {
  [[ -n $_stamp ]] || return 0
  if [[ $1 -eq 0 ]]; then
    echo "$_chain done" >"$_stamp"
    log "stage ${_stamp##*/}: done in $SECONDS s"
  else
    log "stage ${_stamp##*/} failed with exit code $1; run again to go on with it"
  fi
  _stamp=""
}

_key() {
  local number=$1 input
  shift
  {
    echo "$_chain"
    sed -n "/^if run_stage $number /,/^fi/p" "$_script"
    for input in "$@"; do
      if [[ -f $input ]]; then
        sha256sum <"$input"
      elif [[ -f $input/wav.scp ]]; then
        (cd "$input" && cat wav.scp utt2* | sha256sum)
      elif [[ -d $input ]]; then  # -L: corpora are often links; no dates: so are copies
        find -L "$input" -name .stages -prune -o -type f -printf '%P %s\n' | LC_ALL=C sort
      else
        printf '%s\n' "$input"
      fi
    done
  } | sha256sum | cut -c 1-16
}

_set_aside() {
  local copy=1
  while [[ -e $1.$copy ]]; do copy=$((copy + 1)); done
  mv "$1" "$1.$copy"
  log "what was made from other inputs is kept as $1.$copy"
}
