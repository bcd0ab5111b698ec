# shellcheck shell=bash
# The environment of the recipe; add `module load ...` or `conda activate ...` here.
source ../../recipes/path.sh
