# shellcheck shell=bash
# How the heavy stages of the recipe start; set train_cmd and infer_cmd here to differ from others.
source ../../recipes/cmd.sh
