"""Leave layers out of a model: a smaller one of the same width, to be trained on (Gandhi et al. 2023, §4)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from model.bundle import Bundle
from pipeline.errors import UserError

_LAYER = re.compile(r"(encoder|decoder)\.blocks\.(\d+)\.(.+)")


def keep_layers(bundle: Bundle, encoder: int | None = None, decoder: int | None = None) -> Bundle:
    """Return a model with so many of its layers, spread evenly, the first and the last among them; None keeps all.

    A decoder of one layer keeps the first. Without further training the loss rises steeply: what each layer learnt
    was for the layers beside it.
    """
    dims = bundle.dims
    kept = {
        "encoder": _spread("encoder_layers", encoder, dims.n_audio_layer),
        "decoder": _spread("decoder_layers", decoder, dims.n_text_layer),
    }
    return replace(
        bundle,
        dims=replace(dims, n_audio_layer=len(kept["encoder"]), n_text_layer=len(kept["decoder"])),
        weights=_chosen(bundle.weights, kept),
        alignment_heads=tuple(
            (kept["decoder"].index(layer), head) for layer, head in bundle.alignment_heads if layer in kept["decoder"]
        ),
    )


def _spread(name: str, wanted: int | None, have: int) -> list[int]:
    wanted = have if wanted is None else wanted
    if not 1 <= wanted <= have:
        raise UserError(f"{name} {wanted} cannot be kept; expected 1 to {have}, the model's own; give fewer or null")
    return [round(place * (have - 1) / max(wanted - 1, 1)) for place in range(wanted)]


def _chosen(weights: Mapping[str, Tensor], kept: Mapping[str, list[int]]) -> dict[str, Tensor]:
    chosen: dict[str, Tensor] = {}
    for name, weight in weights.items():
        match = _LAYER.fullmatch(name)
        if match is None:
            chosen[name] = weight
        elif int(match[2]) in kept[match[1]]:
            chosen[f"{match[1]}.blocks.{kept[match[1]].index(int(match[2]))}.{match[3]}"] = weight
    return chosen
