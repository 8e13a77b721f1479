"""Models with fewer layers: the ones that stay are as they were, and every format takes them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from model.checkpoint import load
from model.formats import openai
from model.pruning import keep_layers
from pipeline.errors import UserError
from tests.model.test_formats import SMALL, bundle_of

DEEP = replace(SMALL, n_audio_layer=5, n_text_layer=4, n_audio_ctx=30)


@pytest.mark.parametrize(
    ("encoder", "decoder", "layers"), [(None, 2, (5, [0, 3])), (3, None, (3, [0, 1, 2, 3])), (None, 1, (5, [0]))]
)
def test_layers_are_kept_evenly_with_both_ends(
    encoder: int | None, decoder: int | None, layers: tuple[int, list[int]], tmp_path: Path
) -> None:
    whole = replace(bundle_of(DEEP), alignment_heads=((1, 0), (3, 2)))
    pruned = keep_layers(whole, encoder, decoder)
    num_encoder, kept = layers
    assert (pruned.dims.n_audio_layer, pruned.dims.n_text_layer) == (num_encoder, len(kept))
    for place, layer in enumerate(kept):
        for name in ("attn.query.weight", "mlp_ln.bias"):
            mine, theirs = (
                pruned.weights[f"decoder.blocks.{place}.{name}"],
                whole.weights[f"decoder.blocks.{layer}.{name}"],
            )
            assert torch.equal(mine, theirs)
    assert pruned.alignment_heads == tuple(
        (kept.index(layer), head) for layer, head in ((1, 0), (3, 2)) if layer in kept
    )
    openai.write(pruned, tmp_path / "model.pt")
    assert load(str(tmp_path / "model.pt")).net.dims == pruned.dims


def test_nothing_pruned_computes_the_same() -> None:
    whole = bundle_of(DEEP)
    mel, tokens = torch.randn(1, 80, 60), torch.tensor([[1, 2, 3]])
    with torch.no_grad():
        assert torch.equal(keep_layers(whole).network()(mel, tokens), whole.network()(mel, tokens))


@pytest.mark.parametrize("number", [0, 5])
def test_more_layers_than_there_are_cannot_be_kept(number: int) -> None:
    with pytest.raises(
        UserError, match=f"decoder_layers {number} cannot be kept; expected 1 to 4, the model's own; give"
    ):
        keep_layers(bundle_of(DEEP), decoder=number)
