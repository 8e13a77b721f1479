#!/usr/bin/env bash
# An ingest on SLURM: a Ray head on the first node, workers on the others, the ingest on top. From the repository:
#   sbatch --nodes=4 conf/cluster/ingest.slurm.sh source=feed source.root=/shared/feeds.opml data_root=/shared/corpus
# The repository, .venv and data_root lie on a file system that all nodes see. Submit it again to go on after a time limit.
#SBATCH --job-name=sotto-ingest
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --mem=32G
#SBATCH --time=24:00:00
#SBATCH --requeue
set -euo pipefail

cd "${SLURM_SUBMIT_DIR:-.}"
export PATH="$PWD/.venv/bin:$PATH"  # workers run the python that stands first
export RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0
cores=${SLURM_CPUS_PER_TASK:-1} port=${RAY_PORT:-6379}

RAY_AUTH_TOKEN=$(python -c 'import secrets; print(secrets.token_hex(32))')  # for this job alone
export RAY_AUTH_TOKEN
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT

mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${nodes[0]}
address=$(srun --nodes=1 --ntasks=1 --nodelist="$head" hostname --ip-address | awk '{ print $1 }'):$port

start() {  # start NODE OPTION...: a Ray node that lives as long as this job
  local node=$1
  shift
  srun --overlap --nodes=1 --ntasks=1 --nodelist="$node" --export=ALL \
    ray start --block --num-cpus="$cores" --disable-usage-stats "$@" &
}
start "$head" --head --port="$port" --node-ip-address="${address%:*}" --include-dashboard=false
for node in "${nodes[@]:1}"; do start "$node" --address="$address"; done

export RAY_ADDRESS=$address
for _ in $(seq 60); do  # until the head answers
  python -c "import ray; ray.init(logging_level='ERROR')" 2>/dev/null && break
  sleep 2
done
srun --overlap --nodes=1 --ntasks=1 --nodelist="$head" --export=ALL python jobs/ingest.py log=plain "$@"
