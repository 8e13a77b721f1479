#!/usr/bin/env bash
# Training on SLURM, one task a GPU. From the repository:
#   sbatch --nodes=8 conf/cluster/train.slurm.sh +experiment=large data.shards=/shared/corpus/latest/shards.json
# The repository, .venv and runs/ lie on a file system that all nodes see. Two minutes before the time limit every task
# is asked to stop: the run saves, and the job goes back into the queue, where the same command goes on. A task that
# dies ends the others, and the job is queued again by SLURM (--requeue) or by you.
#SBATCH --job-name=sotto-train
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=8
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=12
#SBATCH --time=24:00:00
#SBATCH --signal=USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
set -uo pipefail

cd "${SLURM_SUBMIT_DIR:-.}"
export PATH="$PWD/.venv/bin:$PATH"
stopped=143  # what jobs/train.py ends with when it was asked to stop

srun --kill-on-bad-exit=0 python jobs/train.py \
  trainer.num_nodes="$SLURM_NNODES" trainer.devices="$SLURM_NTASKS_PER_NODE" "$@"
code=$?
[ "$code" = "$stopped" ] || exit "$code"
scontrol requeue "$SLURM_JOB_ID"
