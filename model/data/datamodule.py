"""The data of a run: train and held-out batches for this process, and the position to resume at."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader

from model.data.batch import Batch
from model.data.corpus import Corpus, Reading
from model.data.examples import Encoder, HeldOutBatches, LoaderConfig
from model.data.loader import BatchLoader, Positions, Slice, TrainingBatches, shares
from model.data.mixture import Mixture, Phases
from pipeline.errors import UserError


class SottoData(LightningDataModule):
    """Feed global batches in their order; a checkpoint holds how many were used and what fixes the order.

    A run keeps the shares it began with: a take-down in the middle of it would change them, and with them every sample
    to come. A new run's follow from what stands when it begins.
    """

    def __init__(
        self,
        shards_uri: str,
        mixture: Mixture | Phases,
        config: LoaderConfig,
        encoder: Encoder,
        num_batches: int,
        reading: Reading | None = None,
    ) -> None:
        """Read the index of the train split and fix the shares over a run of `num_batches`.

        The held-out split is opened when it is first needed.
        """
        super().__init__()
        self.train = Corpus(shards_uri, "train", reading)
        self._shards_uri, self._reading, self._config, self._encoder = shards_uri, reading, config, encoder
        self._weights = shares(mixture, self.train, config, num_batches)
        self._asked = shares(mixture, self.train, config, num_batches, taken_down=True)
        self._start = 0

    def train_dataloader(self) -> DataLoader[Batch]:
        """Return the batches from the position on."""
        assert self.trainer is not None
        part = Slice(
            rank=self.trainer.global_rank,
            world=self.trainer.world_size,
            accumulate=self.trainer.accumulate_grad_batches,
        )
        batches = TrainingBatches(self.train, self._weights, self._config, self._encoder, part)
        positions = Positions(self._start * part.accumulate, self.trainer.max_steps * part.accumulate)
        is_gpu = self.trainer.strategy.root_device.type == "cuda"
        return BatchLoader(batches, positions, self._config.num_workers, pin_memory=is_gpu)

    def val_dataloader(self) -> DataLoader[Batch]:
        """Return this rank's share of the held-out batches, as large as its training batches.

        All ranks have equally many, since ranks with shards of a model must run it together: where they do not come
        out even, the last ones are repeats of the first, which validation does not count.
        """
        assert self.trainer is not None
        rank, world = self.trainer.global_rank, self.trainer.world_size
        rows = max(1, self._config.batch_size // (world * self.trainer.accumulate_grad_batches))
        corpus = Corpus(self._shards_uri, "validation", self._reading)
        batches = HeldOutBatches(corpus, replace(self._config, batch_size=rows, row_multiple=0), self._encoder)
        turns = math.ceil(len(batches) / world)
        return BatchLoader(batches, [(turn * world + rank) % len(batches) for turn in range(turns)], 0)

    def state_dict(self) -> dict[str, Any]:
        """Return the position, in global batches, what the order is a function of, and the shares of the run."""
        assert self.trainer is not None
        return {"position": self.trainer.global_step, "order": self._order(), "shares": self._weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the position; UserError when the order is another, since it would mean other samples."""
        order = self._order()
        changed = sorted(name for name in order if order[name] != state_dict["order"].get(name))
        if changed:
            raise UserError(
                f"checkpoint was trained in another order: {changed} changed; expected {state_dict['order']}; "
                "set them back to resume, or start a new run"
            )
        self._start, self._weights = int(state_dict["position"]), state_dict["shares"]

    def _order(self) -> dict[str, Any]:
        return {
            "shards": self.train.fingerprint,
            "seed": self._config.seed,
            "batch_size": self._config.batch_size,
            "pool_batches": self._config.pool_batches,
            "join_prob": self._config.augment.join_prob,
            "shards_at_once": self._config.shards_at_once,
            "row_multiple": self._config.row_multiple,
            "mixture": {
                step: {name: round(weight, 6) for name, weight in sorted(phase.items())}
                for step, phase in self._asked.items()
            },
        }
