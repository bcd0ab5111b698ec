# shellcheck shell=bash
# Where the programs are: the project's virtual environment, if it has one.
_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [[ -x $_root/.venv/bin/codec ]]; then
  export PATH="$_root/.venv/bin:$PATH"
fi
command -v codec >/dev/null || {
  echo "error: no \`codec\` in PATH; run \`make install\` in $_root" >&2
  exit 1
}
export PYTHONUTF8=1  # file names may be in any language
