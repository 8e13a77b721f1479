"""What a run shows at each validation: transcripts as a table, pictures, error rates, and a version in the registry."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch import Callback, Trainer
from torch.distributed.tensor import DTensor

from jobs.tracking.pictures import draw
from jobs.tracking.spool import Spool
from model.data.batch import Batch
from model.training.module import SottoModule
from model.training.preview import Heard, Preview, choose, hear, rates
from model.training.progress import publish

FOLDER, TRANSCRIPTS = "validation", "transcripts.json"
COLUMNS = ("step", "task", "lang", "segment_id", "reference", "hypothesis")


class Report(Callback):
    """Print a line at each look at the held-out split."""

    def __init__(self) -> None:
        """Start the clock."""
        self._start_s = time.monotonic()

    def on_validation_end(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """Say how far training is and what it has learnt."""
        assert isinstance(pl_module, SottoModule)
        if not trainer.is_global_zero:
            return
        minutes = (time.monotonic() - self._start_s) / 60
        loss, held_out = (pl_module.seen.get(name, float("nan")) for name in ("train/all", "held_out/all"))
        print(
            f"step {trainer.global_step:>6}/{trainer.max_steps}  {minutes:6.1f} min  "
            f"loss {loss:.3f}  held out {held_out:.3f}",
            flush=True,
        )


class Show(Callback):
    """Transcribe some held-out windows on rank 0 and put what came out into the run's folder and its spool."""

    def __init__(self, settings: Preview, run_dir: Path, spool: Spool) -> None:
        """Show into a run's folder."""
        self._settings, self._run_dir, self._spool = settings, run_dir, spool
        self._rows: list[Batch] = []

    def on_validation_end(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """Hear, score and draw; a network in shards is on no single rank, and is left alone."""
        module = pl_module
        assert isinstance(module, SottoModule)
        if not trainer.is_global_zero or isinstance(module.evaluated.decoder.ln.weight, DTensor):
            return
        loader: Any = trainer.val_dataloaders
        self._rows = self._rows or choose(iter(loader), self._settings)
        tokenizer = module.card.vocabulary.tokenizer()
        heard = hear(module.evaluated, tokenizer, self._rows, self._settings)
        publish(trainer, module, {f"held_out/{name}": value for name, value in rates(heard).items()})
        step = trainer.global_step
        self._spool.add_file(step, self._write_table(step, heard), FOLDER)
        for one in heard:
            if one.attention_LS is not None:
                path = self._run_dir / FOLDER / f"step-{step:08d}" / f"{one.task}-{one.lang}.png"
                draw(one, path)
                self._spool.add_file(step, path, f"{FOLDER}/step-{step:08d}")

    def _write_table(self, step: int, heard: list[Heard]) -> Path:
        """Add rows to the run's table of transcripts; a step that is done again replaces its own."""
        path = self._run_dir / FOLDER / TRANSCRIPTS
        path.parent.mkdir(parents=True, exist_ok=True)
        before = json.loads(path.read_text())["data"] if path.exists() else []
        mine = [[step, *(getattr(one, name) for name in COLUMNS[1:])] for one in heard]
        rows = [row for row in before if row[0] < step] + mine
        draft = path.with_suffix(".writing")  # the spool's thread may be reading
        draft.write_text(json.dumps({"columns": COLUMNS, "data": rows}, ensure_ascii=False))
        draft.replace(path)
        return path
