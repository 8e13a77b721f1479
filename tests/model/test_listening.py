"""A checkpoint as a listener, in the shape the annotators ask."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from model.bundle import Bundle
from model.checkpoint import Card, Loaded
from model.decoding.batch import Batch
from model.decoding.engine import Engine
from model.decoding.language import detect_language
from model.decoding.longform import LongformOptions, Transcriber
from model.formats import openai
from model.listening import CheckpointListener
from model.mel import HOP, log_mel
from model.net import Whisper
from model.tokenizer import train_bpe
from model.vocabulary import Vocabulary
from pipeline.audio import Samples
from tests.model.decoding.learnt import DIMS, TOKENIZER, learn

WINDOWS = [np.random.default_rng(seed).standard_normal(4800 * seed).astype(np.float32) for seed in (1, 2)]
SHORT = np.zeros(10, np.float32)
CARD = Card(
    dims=DIMS,
    vocabulary=Vocabulary(ranks=b"", num_languages=100),
    shards_uri=None,
    shards_fingerprint=None,
    audio="speech",
)


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> CheckpointListener:
    torch.manual_seed(0)
    net = Whisper(DIMS).eval()
    loaded = Loaded(net=net, tokenizer=TOKENIZER, card=CARD, step=0)
    engine = Engine(net)
    monkeypatch.setattr("model.listening._listener", lambda *_: (loaded, engine))
    return CheckpointListener(checkpoint="tiny.ckpt")


def test_each_window_has_probabilities_of_all_languages(listener: CheckpointListener) -> None:
    answers = listener.languages([*WINDOWS, SHORT])
    assert len(answers) == 2
    assert all(sum(answer.values()) == pytest.approx(1, abs=1e-4) and "am" in answer for answer in answers)
    assert listener.languages([SHORT]) == []


def test_a_model_of_others_hears_padded_windows_and_ours_windows_as_they_are(tmp_path: Path) -> None:
    torch.manual_seed(0)
    ranks = train_bpe([], 256)
    dims = replace(DIMS, n_vocab=Vocabulary(ranks=ranks, num_languages=100).tokenizer().n_vocab)
    theirs = Bundle(
        dims=dims,
        weights=Whisper(dims).state_dict(),
        vocabulary=Vocabulary(ranks=ranks, num_languages=100),
    )
    openai.write(theirs, tmp_path / "theirs.pt")
    openai.write(replace(theirs, pads_windows=False), tmp_path / "ours.pt")
    full = np.pad(WINDOWS[0], (0, 2 * DIMS.n_audio_ctx * HOP - len(WINDOWS[0])))
    mels = [log_mel(torch.from_numpy(audio)[None], DIMS.n_mels)[0] for audio in (WINDOWS[0], full)]
    padded = torch.nn.functional.pad(mels[0], (0, mels[1].shape[1] - mels[0].shape[1]))
    engine = Engine(theirs.network())
    for name, mel_FT in (("theirs.pt", padded), ("ours.pt", mels[0])):
        [start] = detect_language(engine, theirs.vocabulary.tokenizer(), [mel_FT])
        assert CheckpointListener(checkpoint=str(tmp_path / name)).languages(WINDOWS[:1]) == [start.lang_probs]


def test_each_window_has_a_text_and_a_moment_has_none(listener: CheckpointListener) -> None:
    texts = listener.texts([WINDOWS[0], SHORT, WINDOWS[1]], ["en", "en", "am"])
    assert len(texts) == 3 and texts[1] == ""
    assert texts[::2] == listener.texts(WINDOWS, ["en", "am"])
    assert listener.texts([], []) == []
    assert listener.knows("am") and not listener.knows("xx")


def test_a_model_of_others_is_asked_for_times_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = Loaded(net=Whisper(DIMS).eval(), tokenizer=TOKENIZER, card=CARD, step=0)
    asked: list[bool] = []

    def note(batch: Batch, options: LongformOptions) -> Transcriber:
        asked.append(options.timestamps)
        return Transcriber(batch, options)

    monkeypatch.setattr("model.listening.Transcriber", note)
    for pads_windows in (True, False):
        engine = Engine(loaded.net, pads_windows=pads_windows)
        monkeypatch.setattr("model.listening._listener", lambda *_, engine=engine: (loaded, engine))
        for timestamps in (None, True, False):
            CheckpointListener(checkpoint="tiny.ckpt", timestamps=timestamps).texts(WINDOWS[:1], ["en"])
    assert asked == [True, True, False, False, True, False]


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


def test_a_window_longer_than_the_model_hears_is_heard_in_pieces(
    listener: CheckpointListener, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = 2 * DIMS.n_audio_ctx * HOP
    heard: list[int] = []
    monkeypatch.setattr(CheckpointListener, "_mel", lambda *args: _counted(heard, args[-1]))
    long = np.random.default_rng(3).standard_normal(5 * size // 2).astype(np.float32)
    [whole] = listener.texts([long], ["en"])
    pieces = np.array_split(long, 3)
    assert heard == [len(piece) for piece in pieces] and max(heard) <= size
    assert whole == " ".join(listener.texts(pieces, ["en"] * 3))
    heard.clear()
    assert listener.languages([long]) == listener.languages([pieces[0]])
    assert heard == [len(pieces[0])] * 2


def test_a_text_learnt_by_heart_is_likelier_in_its_window_than_another(monkeypatch: pytest.MonkeyPatch) -> None:
    learnt = learn()
    loaded = Loaded(net=learnt.net, tokenizer=TOKENIZER, card=CARD, step=0)
    monkeypatch.setattr("model.listening._listener", lambda *_: (loaded, learnt.engine))
    monkeypatch.setattr(CheckpointListener, "_mel", lambda *_: learnt.mels[0])
    listener = CheckpointListener(checkpoint="tiny.ckpt")
    assert listener.reach_ms() == 600
    [(start, end, prob)] = listener.place(WINDOWS[0], ["a long sentence"], "en")
    assert 0 <= start <= end <= 600 and prob > 0.9
    [(_, _, wrong)] = listener.place(WINDOWS[0], ["zebra zoo"], "en")
    assert wrong < 0.3


def test_texts_follow_each_other_and_those_beyond_the_context_have_no_answer(listener: CheckpointListener) -> None:
    texts = ["one two", "three", "four five"]  # 8 + 6 + 10 bytes, after 3 tokens of prompt and before the end
    found = listener.place(WINDOWS[1], texts, "en")
    edges = [time for start, end, _ in found for time in (start, end)]
    assert len(found) == 3 and edges == sorted(edges) and edges[-1] <= listener.reach_ms()
    assert len(listener.place(WINDOWS[1], [*texts, "six"], "en")) == 3
    assert listener.place(WINDOWS[1], ["far too long a text for the context"], "en") == []
    assert listener.place(SHORT, texts, "en") == listener.place(WINDOWS[0], [], "en") == []


def _counted(heard: list[int], window: Samples) -> torch.Tensor:
    heard.append(len(window))
    return log_mel(torch.from_numpy(window)[None], DIMS.n_mels)[0]
