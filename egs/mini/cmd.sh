# shellcheck shell=bash disable=SC2034
# How programs are started: launch/local.sh here, launch/slurm.sh as a job of a cluster.
train_cmd=../../recipes/launch/local.sh
encode_cmd=../../recipes/launch/local.sh  # an array: JOB=1:N
