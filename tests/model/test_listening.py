"""A checkpoint as a listener, in the shape the annotators ask."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from model.checkpoint import Card, Loaded
from model.decoding.engine import Engine
from model.listening import CheckpointListener
from model.net import Whisper
from model.vocabulary import Vocabulary
from tests.model.decoding.learnt import DIMS, TOKENIZER

WINDOWS = [np.random.default_rng(seed).standard_normal(4800 * seed).astype(np.float32) for seed in (1, 2)]
SHORT = np.zeros(10, np.float32)


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> CheckpointListener:
    torch.manual_seed(0)
    net = Whisper(DIMS).eval()
    card = Card(
        dims=DIMS,
        vocabulary=Vocabulary(ranks=b"", num_languages=100),
        shards_uri=None,
        shards_fingerprint=None,
        audio="speech",
    )
    loaded = Loaded(net=net, tokenizer=TOKENIZER, card=card, step=0)
    engine = Engine(net)
    monkeypatch.setattr("model.listening._listener", lambda *_: (loaded, engine))
    return CheckpointListener(checkpoint="tiny.ckpt")


def test_each_window_has_probabilities_of_all_languages(listener: CheckpointListener) -> None:
    answers = listener.languages([*WINDOWS, SHORT])
    assert len(answers) == 2
    assert all(sum(answer.values()) == pytest.approx(1, abs=1e-4) and "am" in answer for answer in answers)
    assert listener.languages([SHORT]) == []


def test_each_window_has_a_text_and_a_moment_has_none(listener: CheckpointListener) -> None:
    texts = listener.texts([WINDOWS[0], SHORT, WINDOWS[1]], ["en", "en", "am"])
    assert len(texts) == 3 and texts[1] == ""
    assert texts[::2] == listener.texts(WINDOWS, ["en", "am"])
    assert listener.texts([], []) == []
    assert listener.knows("am") and not listener.knows("xx")


def test_the_bytes_of_a_checkpoint_name_it(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.bin").write_bytes(b"weights")
        (tmp_path / f"{name}.pt").write_bytes(name.encode())
    named = {
        name: CheckpointListener(checkpoint=str(tmp_path / name)).identity()
        for name in ("one", "two", "one.pt", "two.pt")
    }
    assert named["one"] == named["two"] != named["one.pt"] != named["two.pt"]
