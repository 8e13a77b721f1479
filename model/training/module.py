"""Training: weighted cross-entropy over a mixed batch, an optional alignment loss on the encoder, AdamW.

A step minimises the sum of every token's loss times its example's weight, divided by the sum of those weights over
all ranks and accumulation steps: weights set proportions and leave the learning rate alone. Losses are summed as they
come, and the division, the clipping and the guard's verdict happen inside AdamW's fused kernel: no pass over the
gradients but for their norm, and nothing that waits for the device.

Random numbers are those of the run's seed at the step's position, so a checkpoint needs to remember none.

Tensor suffixes: B rows, N samples or tokens, F mel bins, T mel frames, S audio positions, L tokens, D width.
"""

from __future__ import annotations

import copy
import hashlib
from dataclasses import dataclass
from typing import Any, cast

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.strategies import ModelParallelStrategy
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.distributed.tensor.experimental import implicit_replication

from model.alignment import AttentionGuide, ByteHead
from model.checkpoint import KEY, Card
from model.data.batch import Batch
from model.mel import HOP, log_mel
from model.net import Whisper, audio_length
from model.training.guard import Delayed, Guard, Record
from model.training.loss import token_loss
from model.training.meter import Meter, Rows
from model.training.optimisation import Optimisation
from model.training.sharding import shard
from model.training.start import Start
from pipeline.errors import UserError

LAG = 4  # steps until the host learns what was decided on the device


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """What one forward pass gives: the weighted sum of token losses, each row's loss and tokens, and of alignment."""

    weighted: Tensor
    weight: Tensor
    nll_B: Tensor
    tokens_B: Tensor
    alignment: Tensor
    guide: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Logging:
    """How often numbers are brought to the host, in steps, and the device's peak for the MFU (None: no MFU)."""

    every: int
    peak_tflops: float | None = None


class SottoModule(LightningModule):
    """Whisper in training; `net`, or `ema` where there is one, is what is evaluated and exported."""

    def __init__(
        self, card: Card, optimisation: Optimisation, logging: Logging, seed: int = 0, start: Start | None = None
    ) -> None:
        """Build the network with new weights, or with those to start from."""
        super().__init__()
        self.card, self.optimisation, self.logging, self.seed = card, optimisation, logging, seed
        self.start = start or Start()
        self.net = Whisper(card.dims, optimisation.stochastic_depth, optimisation.recompute)
        self.start.begin(self.net, card.vocabulary.tokenizer())
        self.ema = copy.deepcopy(self.net).requires_grad_(False) if optimisation.ema_decay else None
        self.byte_head = ByteHead(card.dims.n_audio_state) if optimisation.alignment_weight else None
        head_width = card.dims.n_text_state // card.dims.n_text_head
        self._guide = AttentionGuide(self.net.decoder, head_width) if optimisation.guide_weight else None
        self.guard = Guard(optimisation.guard)
        self.record = Record(optimisation.guard)
        self.meter = Meter(card.dims, logging.peak_tflops)
        self.held_out = Rows()
        self.is_asked_to_stop = self.is_stopping = False
        self.skipped_now: list[int] = []  # steps skipped since somebody last looked
        self.seen: dict[str, float] = {}  # the newest numbers, for whoever shows them
        self.norm = torch.zeros(())
        self._delayed = Delayed(LAG)
        self._weight: Tensor | None = None
        self._counted_N: Tensor | None = None

    @property
    def evaluated(self) -> Whisper:
        """The network that is judged: the average where one is kept."""
        return self.net if self.ema is None else self.ema

    def configure_model(self) -> None:
        """Share the parameters among processes where the strategy wants that."""
        strategy = self.trainer.strategy
        if isinstance(strategy, ModelParallelStrategy) and not isinstance(self.net.decoder.ln.weight, DTensor):
            networks = [self.net] if self.ema is None else [self.net, self.ema]
            dtype = torch.bfloat16 if "bf16" in str(self.trainer.precision) else None
            shard(self, networks, strategy.device_mesh["data_parallel"], dtype)

    def compile_layers(self) -> None:
        """Compile the layers one by one, for any length: as fast as the whole, and compiled once for all of them."""
        for block in (*self.net.encoder.blocks, *self.net.decoder.blocks):
            block.compile(dynamic=True)

    def on_before_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Look at a training batch while it is on the host: asking the device would mean to wait for it."""
        if self.training:
            self.meter.batch_came(batch)
            self._counted_N = counted_tokens(batch)
        return batch

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Send a batch and the places of the tokens that count."""
        if self._counted_N is not None:
            self._counted_N = self._counted_N.to(device, non_blocking=True)
        return batch.to(device, non_blocking=True)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the summed loss of one batch; what it is to be divided by is kept for the end of the step."""
        turn = batch_idx % self.trainer.accumulate_grad_batches
        torch.manual_seed(self._seed_of(turn))
        losses = self._losses(self.net, batch, self._counted_N)
        self._counted_N = None
        self.meter.losses_came(batch, losses.nll_B, losses.tokens_B)
        self._weight = losses.weight if turn == 0 or self._weight is None else self._weight + losses.weight
        return self._objective(losses)

    def configure_gradient_clipping(
        self, optimizer: torch.optim.Optimizer, gradient_clip_val: Any = None, gradient_clip_algorithm: Any = None
    ) -> None:
        """Tell AdamW what to divide the gradients by, and whether to leave this step out."""
        assert self._weight is not None
        reduce = self.trainer.strategy.reduce
        # Lightning divides each loss by the number of accumulation steps, and ranks are averaged.
        divisor = cast(Tensor, reduce(self._weight, reduce_op="mean")) / self.trainer.accumulate_grad_batches
        self.norm = gradient_norm(self) / divisor
        asked = torch.full_like(self.norm, float(self.is_asked_to_stop))
        verdict = cast(Tensor, reduce(torch.stack([self.guard.judge(self.norm), asked]), reduce_op="max"))
        self.guard.learn(self.norm, verdict[0])
        excess = self.norm / self.optimisation.clip_norm if self.optimisation.clip_norm else torch.ones_like(self.norm)
        optimizer.grad_scale = divisor * excess.clamp(min=1.0)  # pyright: ignore[reportAttributeAccessIssue]
        optimizer.found_inf = verdict[0]  # pyright: ignore[reportAttributeAccessIssue]
        self._delayed.send(self.global_step, verdict)

    def optimizer_step(self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Any = None) -> None:
        """Take the step, unless the guard says no, and move the average."""
        with implicit_replication():
            super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        if self.ema is not None:
            averages: Any = list(self.ema.parameters())
            lerp: Any = torch._foreach_lerp_  # pyright: ignore[reportPrivateUsage, reportPrivateImportUsage]
            with torch.no_grad():
                lerp(averages, list(self.net.parameters()), 1.0 - self.optimisation.ema_decay)

    def learn_what_happened(self, all_of_it: bool = False) -> None:
        """Take in the verdicts that have reached the host; DataError when too many steps were skipped."""
        for step, (is_bad, is_asked) in self._delayed.receive(all_of_it):
            self.is_stopping = self.is_stopping or is_asked > 0
            if is_bad:
                self.skipped_now.append(step)
                self.record.add(step)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep the losses of a held-out batch, unless it only repeats one to keep the ranks even."""
        losses = self._losses(self.evaluated, batch)
        loader: Any = self.trainer.val_dataloaders
        if batch_idx * self.trainer.world_size + self.global_rank < len(loader.dataset):
            self.held_out.add(batch, losses.nll_B, losses.tokens_B)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Build AdamW and its schedule."""
        optimizer = self.optimisation.adamw(self.parameters())
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, self.optimisation.factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the card, so that the checkpoint stands alone, and what a resumed run must have in common."""
        checkpoint[KEY] = self.card.to_plain()
        checkpoint["training"] = self._common()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse to resume another model or another plan: the same sizes may still mean other words.

        Lightning counts batches, which are more or fewer where a step is now accumulated from others: they are counted
        again from the steps.
        """
        mine, theirs = self.card.to_plain() | self._common(), checkpoint[KEY] | checkpoint["training"]
        changed = sorted(name for name in mine if name != "shards_uri" and mine[name] != theirs.get(name))
        if changed:
            raise UserError(
                f"checkpoint was trained with another {' and '.join(changed)}; expected the same to resume; "
                "give the settings it was trained with, or start a new run with name=NAME or resume=no"
            )
        if self._trainer is not None:
            progress = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
            num_batches = checkpoint["global_step"] * self.trainer.accumulate_grad_batches
            for counts in (progress["total"], progress["current"]):
                more = num_batches - counts["processed"]
                counts.update({name: counts[name] + more for name in ("ready", "started", "processed", "completed")})

    def training_loss(self, batch: Batch, counted_N: Tensor | None = None) -> Tensor:
        """Return what a step on this batch alone minimises, without keeping or logging anything."""
        losses = self._losses(self.net, batch, counted_N)
        return self._objective(losses) / losses.weight

    def features(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return mel_BFT with SpecAugment's masks applied, and its frames per row."""
        mel_BFT = log_mel(batch.audio_BN, self.card.dims.n_mels, batch.num_samples_B)
        blank_BF = _blanked(batch.freq_masks_BM2, mel_BFT.shape[1])
        blank_BT = _blanked(batch.time_masks_BM2, mel_BFT.shape[2])
        return mel_BFT.masked_fill(blank_BF[:, :, None] | blank_BT[:, None, :], 0.0), batch.num_samples_B // HOP

    def _losses(self, net: Whisper, batch: Batch, counted_N: Tensor | None = None) -> Losses:
        mel_BFT, frames_B = self.features(batch)
        audio_BSD, positions_B = net.encoder(mel_BFT, frames_B), audio_length(frames_B)
        hidden_BLD = net.decoder.hidden(batch.inputs_BL[:, :-1], audio_BSD, positions_B)
        mask_BL = batch.loss_mask_BL[:, 1:]
        counted_N = counted_tokens(batch) if counted_N is None else counted_N
        weights_BL = batch.weights_B[:, None] * mask_BL
        weighted, nll_N = token_loss(
            hidden_BLD.flatten(0, 1).index_select(0, counted_N),
            net.decoder.token_embedding.weight,
            batch.tokens_BL[:, 1:].flatten().index_select(0, counted_N),
            weights_BL.flatten().index_select(0, counted_N),
        )
        nll_BL = nll_N.new_zeros(mask_BL.numel()).index_put((counted_N,), nll_N).view(mask_BL.shape)
        alignment = guide = audio_BSD.new_zeros((), dtype=torch.float32)
        if self.byte_head is not None and self.training:
            flat_share = self.optimisation.flat_share(self.global_step)
            alignment = self.byte_head(audio_BSD, positions_B, batch.spoken, batch.flat_targets_BS, flat_share)
        if self._guide is not None and self.training:
            guide = self._guide.loss(batch.spans_BL2[:, 1:], positions_B)
        return Losses(
            weighted=weighted,
            weight=weights_BL.sum().float(),
            nll_B=nll_BL.sum(dim=1),
            tokens_B=mask_BL.sum(dim=1),
            alignment=alignment,
            guide=guide,
        )

    def _objective(self, losses: Losses) -> Tensor:
        chosen, has_decoder = self.optimisation, self.global_step >= self.optimisation.decoder_start
        beside = chosen.alignment_weight * losses.alignment + chosen.guide_weight * losses.guide
        return losses.weighted * has_decoder + losses.weight * beside

    def _seed_of(self, turn: int) -> int:
        """Return the seed of a step's random numbers on this rank."""
        key = f"{self.seed}/{self.global_step}/{turn}/{self.global_rank}"
        return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=7).digest(), "little")

    def _common(self) -> dict[str, Any]:
        return {"optimisation": self.optimisation.to_plain(), "start": self.start.to_plain(), "seed": self.seed}


def counted_tokens(batch: Batch) -> Tensor:
    """Return the places, among a batch's flattened targets, of the tokens whose loss counts."""
    return batch.loss_mask_BL[:, 1:].flatten().nonzero()[:, 0]


def gradient_norm(module: torch.nn.Module) -> Tensor:
    """Return the length of all gradients together, sharded ones too."""
    grads = [weight.grad for weight in module.parameters() if weight.grad is not None]
    norm = torch.nn.utils.get_total_norm(grads)
    return norm.full_tensor() if isinstance(norm, DTensor) else norm


def _blanked(masks_BM2: Tensor, size: int) -> Tensor:
    """Return True where any of a row's ranges (from, to) covers a place."""
    places = torch.arange(size, device=masks_BM2.device)
    inside_BMT = (places >= masks_BM2[..., :1]) & (places < masks_BM2[..., 1:])
    return inside_BMT.any(dim=1)
