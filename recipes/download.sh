#!/usr/bin/env bash
# Download one file, going on where a former try stopped, and check it:
#
#     download.sh URL FILE SHA256
#
# FILE under its own name is always whole. If it is there, nothing is downloaded.
set -euo pipefail

[[ $# -eq 3 ]] || { echo "usage: $0 URL FILE SHA256" >&2; exit 2; }
url=$1 file=$2 checksum=$3

whole() { [[ -f $1 ]] && echo "$checksum  $1" | sha256sum --status --check -; }

if whole "$file"; then
  echo "$file: is there already" >&2
  exit 0
fi
mkdir -p "$(dirname "$file")"
if ! whole "$file.part"; then
  curl --fail --location --show-error --retry 5 --continue-at - --output "$file.part" "$url" || {
    [[ $? -ne 33 ]] || rm "$file.part"  # a server that sends whole files only
    echo "$0: error: $url could not be downloaded; run again to go on with $file.part" >&2
    exit 1
  }
fi
whole "$file.part" || {
  rm "$file.part"  # going on with it would only make it longer
  echo "$0: error: $url has another SHA-256 than $checksum; it was changed or damaged" >&2
  exit 1
}
mv "$file.part" "$file"
