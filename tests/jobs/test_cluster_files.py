"""What conf/cluster/ holds is what its readers accept: Ray's own schema, KubeRay's and SkyPilot's fields, bash."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ray
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from ray.autoscaler._private.util import prepare_config

from jobs.command.config import CONF
from jobs.running.cluster import runtime_env, settle_places
from pipeline.errors import UserError

FOLDER = Path(CONF) / "cluster"
RAY_SCHEMA = Path(ray.__file__).parent / "autoscaler" / "ray-schema.json"
# Fields of ray.io/v1 as the CRDs of KubeRay have them (read from its repository, 2026-08).
CLUSTER_FIELDS = {
    *("authOptions", "autoscalerOptions", "enableInTreeAutoscaling", "gcsFaultToleranceOptions", "headGroupSpec"),
    *("headServiceAnnotations", "managedBy", "networkPolicy", "rayVersion", "suspend", "tlsOptions"),
    *("upgradeStrategy", "workerGroupSpecs"),
}
JOB_FIELDS = {
    *("activeDeadlineSeconds", "backoffLimit", "clusterSelector", "deletionStrategy", "entrypoint", "jobId"),
    *("entrypointNumCpus", "entrypointResources", "rayClusterSpec", "runtimeEnvYAML", "shutdownAfterJobFinishes"),
    *("submissionMode", "submitterConfig", "submitterPodTemplate", "suspend", "ttlSecondsAfterFinished"),
}
GROUP_FIELDS = {
    *("groupName", "idleTimeoutSeconds", "labels", "maxReplicas", "minReplicas", "numOfHosts", "rayStartParams"),
    *("replicas", "resources", "scaleStrategy", "serviceType", "suspend", "template"),
}
CONTAINER_FIELDS = {"name", "image", "env", "envFrom", "resources", "securityContext"}
SKY_FIELDS = {"name", "num_nodes", "resources", "workdir", "envs", "secrets", "setup", "run"}  # SkyPilot 0.14
SKY_RESOURCES = {"cpus", "memory", "use_spot", "disk_size", "job_recovery"}
SBATCH = {
    *("job-name", "nodes", "ntasks-per-node", "cpus-per-task", "mem", "time", "requeue", "gpus-per-node", "signal"),
    *("open-mode", "output", "error", "partition", "account", "exclusive"),
}


def load(name: str) -> dict[str, Any]:
    return yaml.safe_load((FOLDER / name).read_text())


def ray_clusters() -> dict[str, Mapping[str, Any]]:
    return {
        "raycluster.yaml": load("raycluster.yaml")["spec"],
        "rayjob.yaml": load("rayjob.yaml")["spec"]["rayClusterSpec"],
    }


def test_ray_up_reads_its_file() -> None:
    config = load("ray-up.yaml")
    jsonschema.validate(config, json.loads(RAY_SCHEMA.read_text()))
    assert prepare_config(config)["cluster_name"] == "sotto"
    with pytest.raises(jsonschema.ValidationError, match="max_worker"):
        jsonschema.validate({**config, "max_worker": 3}, json.loads(RAY_SCHEMA.read_text()))


@pytest.mark.parametrize("name", ["raycluster.yaml", "rayjob.yaml"])
def test_kuberay_knows_every_field(name: str) -> None:
    document, spec = load(name), ray_clusters()[name]
    assert document["apiVersion"] == "ray.io/v1" and set(document) == {"apiVersion", "kind", "metadata", "spec"}
    if name == "rayjob.yaml":
        assert set(document["spec"]) <= JOB_FIELDS
    assert set(spec) <= CLUSTER_FIELDS
    for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
        assert set(group) <= GROUP_FIELDS
        [container] = group["template"]["spec"]["containers"]
        assert set(container) <= CONTAINER_FIELDS
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())  # KubeRay refuses numbers


@pytest.mark.parametrize("name", ["raycluster.yaml", "rayjob.yaml"])
def test_a_cluster_on_kubernetes_asks_for_a_token_and_runs_without_rights(name: str) -> None:
    spec = ray_clusters()[name]
    assert spec["authOptions"] == {"mode": "token"}
    assert spec["rayVersion"] == metadata.version("ray")
    for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
        [container] = group["template"]["spec"]["containers"]
        assert (
            container["securityContext"]["runAsNonRoot"] and container["image"] == f"sotto:{metadata.version('sotto')}"
        )


def test_every_other_cluster_asks_for_a_token_too() -> None:
    for name in ("ray-up.yaml", "ingest.slurm.sh", "ingest.sky.yaml"):
        text = (FOLDER / name).read_text()
        assert text.count("RAY_AUTH_MODE=token") >= 1 and ".venv/bin:$PATH" in text, name
        assert "--dashboard-host=0.0.0.0" not in text


def test_skypilot_knows_every_field() -> None:
    task = load("ingest.sky.yaml")
    assert set(task) <= SKY_FIELDS and set(task["resources"]) <= SKY_RESOURCES


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.glob("*.sh")))
def test_bash_reads_every_script(name: str) -> None:
    assert subprocess.run(["bash", "-n", str(FOLDER / name)], capture_output=True, check=False).stderr == b""
    text = (FOLDER / name).read_text()
    assert set(re.findall(r"^#SBATCH --([\w-]+)", text, re.MULTILINE)) <= SBATCH
    assert "uo pipefail" in text  # what is unset or fails in a pipe ends it


def test_bash_reads_what_skypilot_runs() -> None:
    task = load("ingest.sky.yaml")
    for script in (task["setup"], task["run"]):
        assert subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False).stderr == ""


@pytest.mark.parametrize(
    "line",
    [
        load("rayjob.yaml")["spec"]["entrypoint"],
        re.search(r"python jobs/ingest\.py.*", load("ingest.sky.yaml")["run"].replace("\\\n", " "), re.DOTALL)[0],  # type: ignore[index]
    ],
)
def test_the_settings_they_give_are_settings_of_ingest(line: str) -> None:
    overrides = [word for word in shlex.split(line.replace("$", "")) if "=" in word]
    with initialize_config_dir(CONF, version_base=None):
        cfg = compose("ingest", overrides)
    assert cfg.source.name == "feed" and cfg.fetch.http.contact


def cluster(root: str | None, address: str | None = "head:6379", data_root: str = "data") -> Any:
    plain = {"data_root": data_root, "executor": {"address": address}, "source": {"root": root}}
    return OmegaConf.create(plain | {"tracking": {"uri": "sqlite:///mlflow.db"}})


def test_folders_mean_the_same_on_every_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    cfg = cluster("/talks")
    settle_places(cfg)
    assert cfg.data_root == f"{tmp_path}/data"
    for untouched in (cluster("talks", address=None), cluster(None, data_root="s3://bucket/data")):
        before = untouched.copy()
        settle_places(untouched)
        assert untouched == before
    with pytest.raises(UserError, match=r"source.root 'talks' is relative .*; give source.root=/.*/talks"):
        settle_places(cluster("talks"))


def test_nothing_is_left_in_a_jobs_own_folder() -> None:
    in_job = {"RAY_JOB_CONFIG_JSON_ENV_VAR": "{}"}
    with pytest.raises(UserError, match="data_root 'data' lies in the job's own folder, .*; give data_root= in ARGS"):
        settle_places(cluster("/talks"), in_job)
    with pytest.raises(UserError, match="tracking.uri 'sqlite:///mlflow.db' lies in the job's own folder"):
        settle_places(cluster("/talks", data_root="s3://bucket/data"), in_job)
    kept = cluster("/talks", data_root="/disk/data")
    kept.tracking.uri = "sqlite:////disk/mlflow.db"
    settle_places(kept, in_job)
    kept.tracking.uri = "http://mlflow:5000"
    settle_places(kept, in_job)
    del kept.tracking  # transcription has none
    settle_places(kept, in_job)


def test_code_travels_once() -> None:
    assert Path(runtime_env({})["working_dir"], "jobs", "running", "cluster.py").exists()
    assert runtime_env({"RAY_JOB_CONFIG_JSON_ENV_VAR": "{}"}) == {}
