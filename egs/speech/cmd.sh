# shellcheck shell=bash
# How the heavy stages start; set train_cmd, infer_cmd and encode_cmd here to differ from others.
source ../../recipes/cmd.sh
