"""Training: weighted cross-entropy over a mixed batch, an optional alignment loss on the encoder, AdamW.

The step's loss is the sum of every token's loss times its example's weight, divided by the sum of those weights over
all ranks: weights set proportions and leave the learning rate alone.

Tensor suffixes: B rows, N samples, F mel bins, T mel frames, S audio positions, L tokens, D width, V vocabulary.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor

from model.alignment import AttentionGuide, ByteHead
from model.batch import Batch
from model.checkpoint import KEY, Card
from model.mel import HOP, SAMPLE_RATE, log_mel
from model.metrics import LossTable
from model.net import Whisper, audio_length
from pipeline.errors import DataError, UserError


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimisation:
    """AdamW and its schedule: linear warm-up to `learning_rate`, then linear to zero at `max_steps`.

    The rest lets audio and text find each other where there is little data (model/alignment.py): `alignment_weight`
    times the byte head's loss, a flat start that gives way to CTC over `flat_start_steps`; `guide_weight` times the
    attention guide's; and a decoder that joins at step `decoder_start`, when the encoder already hears.
    """

    learning_rate: float
    warmup_steps: int
    max_steps: int
    beta1: float
    beta2: float
    eps: float
    weight_decay: float
    clip_norm: float
    alignment_weight: float = 0.0
    flat_start_steps: int = 0
    guide_weight: float = 0.0
    decoder_start: int = 0
    stochastic_depth: float = 0.0

    def flat_share(self, step: int) -> float:
        """Return how much of the alignment loss is flat start at a step."""
        return max(0.0, 1.0 - step / self.flat_start_steps) if self.flat_start_steps else 0.0

    def factor(self, step: int) -> float:
        """Return the learning rate of a step as a share of the highest."""
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        return max(0.0, (self.max_steps - step) / (self.max_steps - self.warmup_steps))


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """What one forward pass gives: each row's summed token loss and tokens, and the two losses of alignment."""

    nll_B: Tensor
    tokens_B: Tensor
    alignment: Tensor
    guide: Tensor


class SottoModule(LightningModule):
    """Whisper in training; `net` alone is what is evaluated and exported."""

    def __init__(self, card: Card, optimisation: Optimisation, log_every: int) -> None:
        """Build the network with new weights."""
        super().__init__()
        self.card, self.optimisation, self.log_every = card, optimisation, log_every
        self.net = Whisper(card.dims, optimisation.stochastic_depth)
        self.byte_head = ByteHead(card.dims.n_audio_state) if optimisation.alignment_weight else None
        head_width = card.dims.n_text_state // card.dims.n_text_head
        self._guide = AttentionGuide(self.net.decoder, head_width) if optimisation.guide_weight else None
        self._table: LossTable | None = None
        self._held_out: LossTable | None = None
        self._audio_s = self._padded_s = 0.0
        self._since_s = time.monotonic()

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of one batch; losses by task and language are logged now and then."""
        losses = self._losses(batch)
        self._table = self._table or LossTable(self.device)
        self._table.add(batch.tasks, batch.langs, losses.nll_B, losses.tokens_B)
        self._audio_s += float(batch.num_samples_B.sum()) / SAMPLE_RATE
        self._padded_s += batch.audio_BN.numel() / SAMPLE_RATE
        if (batch_idx + 1) % self.log_every == 0:
            self._log_progress(losses)
        return self._objective(batch, losses)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Add a held-out batch to the table."""
        losses = self._losses(batch)
        self._held_out = self._held_out or LossTable(self.device)
        self._held_out.add(batch.tasks, batch.langs, losses.nll_B, losses.tokens_B)

    def on_validation_epoch_end(self) -> None:
        """Log the held-out losses of all ranks."""
        table = self._held_out or LossTable(self.device)
        table.sums_TG2 = cast(Tensor, self.trainer.strategy.reduce(table.sums_TG2, reduce_op="sum"))
        self.log_dict({f"held_out/{name}": value for name, value in table.means().items()})
        self._held_out = None
        self._since_s, self._audio_s, self._padded_s = time.monotonic(), 0.0, 0.0

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Decay matrices only; biases, norms and vectors are left alone."""
        chosen = self.optimisation
        decayed = [weight for weight in self.parameters() if weight.ndim > 1]
        others = [weight for weight in self.parameters() if weight.ndim <= 1]
        optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": chosen.weight_decay}, {"params": others, "weight_decay": 0.0}],
            lr=chosen.learning_rate,
            betas=(chosen.beta1, chosen.beta2),
            eps=chosen.eps,
            fused=True,
        )
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, chosen.factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the card, so that the checkpoint stands alone."""
        checkpoint[KEY] = self.card.to_plain()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse to resume another model: a vocabulary of the same size may still mean other words."""
        mine, theirs = self.card.to_plain(), checkpoint[KEY]
        changed = sorted(name for name in mine if name != "shards_uri" and mine[name] != theirs.get(name))
        if changed:
            raise UserError(
                f"checkpoint was trained with another {' and '.join(changed)}; expected the same to resume; "
                "give the settings it was trained with, or start a new run"
            )

    def training_loss(self, batch: Batch) -> Tensor:
        """Return what training_step minimises, without keeping or logging anything."""
        return self._objective(batch, self._losses(batch))

    def features(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return mel_BFT with SpecAugment's masks applied, and its frames per row."""
        mel_BFT = log_mel(batch.audio_BN, self.card.dims.n_mels, batch.num_samples_B)
        blank_BF = _blanked(batch.freq_masks_BM2, mel_BFT.shape[1])
        blank_BT = _blanked(batch.time_masks_BM2, mel_BFT.shape[2])
        return mel_BFT.masked_fill(blank_BF[:, :, None] | blank_BT[:, None, :], 0.0), batch.num_samples_B // HOP

    def _losses(self, batch: Batch) -> Losses:
        mel_BFT, frames_B = self.features(batch)
        audio_BSD, positions_B = self.net.encoder(mel_BFT, frames_B), audio_length(frames_B)
        logits_BLV = self.net.decoder(batch.inputs_BL[:, :-1], audio_BSD, positions_B)
        nll_BL = F.cross_entropy(logits_BLV.transpose(1, 2), batch.tokens_BL[:, 1:], reduction="none")
        mask_BL = batch.loss_mask_BL[:, 1:]
        alignment = guide = audio_BSD.new_zeros(())
        if self.byte_head is not None and self.training:
            flat_share = self.optimisation.flat_share(self.global_step)
            alignment = self.byte_head(audio_BSD, positions_B, batch.spoken, batch.flat_targets_BS, flat_share)
        if self._guide is not None and self.training:
            guide = self._guide.loss(batch.spans_BL2[:, 1:], positions_B)
        return Losses(
            nll_B=(nll_BL * mask_BL).sum(dim=1), tokens_B=mask_BL.sum(dim=1), alignment=alignment, guide=guide
        )

    def _objective(self, batch: Batch, losses: Losses) -> Tensor:
        """Return what is minimised; the weights of all ranks are summed, since gradients are averaged over ranks."""
        weight = (batch.weights_B * losses.tokens_B).sum().float()
        if self._trainer is not None:
            weight = cast(Tensor, self.trainer.strategy.reduce(weight, reduce_op="mean"))
        chosen, has_decoder = self.optimisation, self.global_step >= self.optimisation.decoder_start
        of_tokens = (batch.weights_B * losses.nll_B).sum() / weight * has_decoder
        return of_tokens + chosen.alignment_weight * losses.alignment + chosen.guide_weight * losses.guide

    def _log_progress(self, losses: Losses) -> None:
        assert self._table is not None
        means = self._table.means()
        if not math.isfinite(means["all"]):
            raise DataError(
                f"training loss is {means['all']} at step {self.global_step}; expected a number; "
                "resume from the last checkpoint with a lower learning rate"
            )
        elapsed_s = time.monotonic() - self._since_s
        self.log("loss", means["all"], prog_bar=True, logger=False)
        self.log_dict(
            {f"train/{name}": value for name, value in means.items()}
            | {
                "train/alignment": float(losses.alignment.detach()),
                "train/guide": float(losses.guide.detach()),
                "learning_rate": self.optimisation.learning_rate * self.optimisation.factor(self.global_step),
                "audio_s_per_s": self._audio_s / elapsed_s,
                "padding": 1.0 - self._audio_s / self._padded_s,
            }
        )
        self._table = None
        self._since_s, self._audio_s, self._padded_s = time.monotonic(), 0.0, 0.0


def _blanked(masks_BM2: Tensor, size: int) -> Tensor:
    """Return True where any of a row's ranges (from, to) covers a place."""
    places = torch.arange(size, device=masks_BM2.device)
    inside_BMT = (places >= masks_BM2[..., :1]) & (places < masks_BM2[..., 1:])
    return inside_BMT.any(dim=1)
