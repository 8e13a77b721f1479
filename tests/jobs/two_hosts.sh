#!/usr/bin/env bash
# Two hosts that share nothing but a wire and a disk: network namespaces, a Ray head in one, a worker in the other, an
# ingest on both, and the bytes of one on this host alone. Needs root, iproute2 and python of .venv first on the PATH.
set -euo pipefail

[ "$(id -u)" = 0 ] || { echo "two-hosts: network namespaces need root; run: sudo make two-hosts" >&2; exit 2; }
cd "$(dirname "$0")/../.."
work=$(mktemp -d /tmp/two-hosts.XXXXXX)
RAY_AUTH_TOKEN=$(python -c 'import secrets; print(secrets.token_hex(32))')
export RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0 RAY_AUTH_TOKEN
a=two-hosts-a b=two-hosts-b

clean() {
  for host in $a $b; do
    ip netns pids "$host" 2>/dev/null | xargs -r kill -9 2>/dev/null || true
    ip netns delete "$host" 2>/dev/null || true
  done
  rm -rf "$work"
}
trap clean EXIT

ip netns add $a
ip netns add $b
ip link add eth-a netns $a type veth peer name eth-b netns $b
ip -n $a address add 10.77.0.1/24 dev eth-a
ip -n $b address add 10.77.0.2/24 dev eth-b
for host in $a $b; do ip -n "$host" link set lo up; done
ip -n $a link set eth-a up
ip -n $b link set eth-b up

# A folder as the source: what the disk holds, both hosts see.
python - "$work" <<'PYTHON'
import shutil
import sys
from pathlib import Path

from pipeline.sources.embedded.build import build
from pipeline.sources.embedded.labels import load_labels

root = Path(sys.argv[1])
build(root / "made", 3, 0.05)
(root / "talks").mkdir()
for number, label in enumerate(label for label in load_labels(root / "made") if label.defect == "clean"):
    audio = root / "made" / "web" / label.audio_url
    caption = next((root / "made" / "web" / "text").glob(f"{audio.stem}.*"))
    for file in (audio, caption):
        shutil.copy(file, root / "talks" / f"{label.declared_lang}-{number}{file.suffix}")
PYTHON

ingest() {  # ingest NAME SETTING...
  local name=$1
  shift
  python jobs/ingest.py log=plain source=folder source.root="$work/talks" source.candidates_per_unit=2 \
    data_root="$work/$name" tracking.uri="sqlite:///$work/$name.db" "$@"
}
limits=(--num-cpus=1 --object-store-memory=100000000 --memory=1000000000 --disable-usage-stats --block)
ip netns exec $a ray start --head --node-ip-address=10.77.0.1 --port=6379 --include-dashboard=false "${limits[@]}" > "$work/a.log" 2>&1 &
sleep 15
ip netns exec $b ray start --address=10.77.0.1:6379 --node-ip-address=10.77.0.2 "${limits[@]}" > "$work/b.log" 2>&1 &
sleep 15
disown -a  # they are killed at the end: no word about it
RAY_ADDRESS=10.77.0.1:6379
export RAY_ADDRESS
export -f ingest
export work
ip netns exec $a python jobs/doctor.py | grep '^ok    ray  \|^BAD   ray  '
ip netns exec $a bash -euo pipefail -c 'ingest both'
unset RAY_ADDRESS
ingest alone executor.kind=serial > /dev/null

hashes() { (cd "$work/$1/artifacts/shard_index" && find . -name '*.tar' | sort | xargs sha256sum); }
diff <(hashes both) <(hashes alone) && echo "two-hosts: $(hashes both | wc -l) shards, the same bytes as on one host"
