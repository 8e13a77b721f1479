"""Write a checkpoint in another format: python jobs/export.py checkpoint=PATH format=huggingface out=FOLDER"""

from __future__ import annotations

from dataclasses import fields

from omegaconf import DictConfig

from jobs.command.cli import command
from jobs.command.config import instantiate
from model.checkpoint import load
from model.export import ExportOptions, export


@command("export")
def main(cfg: DictConfig) -> None:
    """Load, write, and name the files."""
    settings = instantiate(cfg)
    options = ExportOptions(**{field.name: settings[field.name] for field in fields(ExportOptions)})
    files = export(load(settings["checkpoint"]), settings["checkpoint"], options, settings["out"])
    for file in files:
        print(f"{file}  {file.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
