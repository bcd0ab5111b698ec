# shellcheck shell=bash disable=SC2034
# How the heavy stages are started: here, or (CMD_BACKEND=slurm) as jobs of a cluster. A training
# whose time is over goes back into the queue. SLURM_OPTIONS has what your cluster wants besides.
case ${CMD_BACKEND:-local} in
  local)
    train_cmd=../../recipes/launch/local.sh
    infer_cmd=../../recipes/launch/local.sh
    encode_cmd=../../recipes/launch/local.sh ;;
  slurm)
    train_cmd="../../recipes/launch/slurm.sh --cpus 16 --memory 64G --time 24:00:00"
    infer_cmd="../../recipes/launch/slurm.sh --cpus 4 --memory 16G --time 4:00:00"
    encode_cmd=$infer_cmd ;;  # an array: JOB=1:N
  *)
    echo "CMD_BACKEND is '$CMD_BACKEND'; use local or slurm" >&2
    exit 2 ;;
esac
