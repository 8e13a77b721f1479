"""Train on the Ray cluster that ingests: python jobs/ray_train.py +experiment=large cluster.address=ray://head:10001

Ray starts the processes, names their ranks and starts them again when one dies; what each does is jobs/train.py's. All
machines see the folder this is started in, and the shards, under the same paths.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from jobs.command.cli import command
from jobs.running.cluster import runtime_env
from jobs.train import train
from jobs.training.parts import read_settings
from pipeline.errors import DataError


@command("ray_train")
def main(cfg: DictConfig) -> None:
    """Check the settings here, then train on the cluster."""
    import ray
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.base_trainer import TrainingFailedError
    from ray.train.torch import TorchTrainer

    cluster, rest = cfg.cluster, OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "cluster"])
    read_settings(rest)
    environment: dict[str, Any] = runtime_env() if cluster.address else {}
    ray.init(
        address=cluster.address or "local", runtime_env=environment, log_to_driver=True, logging_level=logging.ERROR
    )
    resources = {"CPU": cluster.cpus} | ({"GPU": 1} if cluster.gpu else {})
    trainer = TorchTrainer(
        _work,
        train_loop_config={"settings": OmegaConf.to_container(rest), "folder": str(Path.cwd())},
        scaling_config=ScalingConfig(num_workers=cluster.workers, use_gpu=cluster.gpu, resources_per_worker=resources),
        run_config=RunConfig(
            name=str(rest.name),
            storage_path=str(Path(cluster.storage).absolute()),
            failure_config=FailureConfig(max_failures=cluster.attempts - 1),
        ),
    )
    try:
        trainer.fit()
    except TrainingFailedError as error:
        raise DataError(
            f"training on {cluster.workers} workers failed {cluster.attempts} times: {error}; expected an end; "
            "look at the last attempt above, mend it, and run the same command"
        ) from error


def _work(given: dict[str, Any]) -> None:
    """Be one rank: Ray has set the ranks in the environment and joined the processes."""
    os.chdir(given["folder"])
    os.environ["TORCHELASTIC_RUN_ID"] = "ray"  # by this Lightning knows that somebody else starts the processes
    os.environ.setdefault("GROUP_RANK", os.environ.get("NODE_RANK", "0"))
    cfg = DictConfig(given["settings"])
    cfg.trainer.devices = int(os.environ["LOCAL_WORLD_SIZE"])
    cfg.trainer.num_nodes = int(os.environ["WORLD_SIZE"]) // cfg.trainer.devices
    train(read_settings(cfg), cfg)


if __name__ == "__main__":
    main()
