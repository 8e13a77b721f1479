"""The notes' worked examples of loss weights, and what they come to in a batch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from model.data.batch import collate
from model.data.corpus import Corpus
from model.data.examples import make_example
from model.data.mixture import LossWeights
from tests.model.tiny_shards import windows, write_shards
from tests.model.tiny_training import LOADER, OPTIMISATION, encoder, module_of

CONF = yaml.safe_load((Path(__file__).parents[3] / "conf/train.yaml").read_text())["loss_weights"]
WEIGHTS = LossWeights(language=CONF["language"], task=CONF["task"])
WORKED = (("transcribe", "sw", 3.0), ("translate", "am", 4.5), ("transcribe", "en", 1.0))  # Loss Calculation Examples


def test_a_batch_s_loss_is_the_mean_over_tokens_weighted_as_the_notes_weigh_their_three_examples(
    tmp_path: Path,
) -> None:
    pairs = [(task, lang) for task, lang, _ in WORKED]
    corpus = Corpus(write_shards(tmp_path, windows(pairs, each=2)), "train")
    module = module_of(optimisation=replace(OPTIMISATION, alignment_weight=0.0, flat_start_steps=0)).eval()
    writes = replace(encoder(), loss_weights=WEIGHTS)
    examples = [
        make_example(corpus.read(f"{task}-{lang}", 1), task, LOADER, writes, np.random.default_rng(0))
        for task, lang in pairs
    ]
    assert [example.weight for example in examples] == [weight for *_, weight in WORKED]
    counts = [sum(example.encoded.loss_mask) for example in examples]
    with torch.no_grad():
        base = [float(module.training_loss(collate([example], pad_token=0))) for example in examples]
        found = float(module.training_loss(collate(examples, pad_token=0)))
    shares = [example.weight * count for example, count in zip(examples, counts, strict=True)]
    assert found == pytest.approx(np.average(base, weights=shares))
    assert found != pytest.approx(np.average(base, weights=counts), rel=1e-6)
    with torch.no_grad():  # proportions alone count: all weights ten times as large are the same loss
        louder = [replace(example, weight=10 * example.weight) for example in examples]
        assert float(module.training_loss(collate(louder, pad_token=0))) == pytest.approx(found)
