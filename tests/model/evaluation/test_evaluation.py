"""A tiny model that learnt three windows by heart is asked for them again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from model.checkpoint import Card, Loaded
from model.decoding.longform import LongformOptions
from model.decoding.options import DecodeOptions
from model.eval_sets.items import EvalItem
from model.evaluation.evaluate import EvalOptions, Utterance, evaluate
from model.evaluation.normalisers import BASIC
from model.evaluation.results import Place, compare, result_rows
from model.evaluation.timing import Timing
from model.mel import HOP, log_mel
from model.net import Whisper
from model.sample import Cue
from model.vocabulary import Vocabulary
from pipeline.audio import Samples
from pipeline.schema import EVAL_RESULT
from pipeline.tables import from_rows
from tests.model.decoding.learnt import DIMS, TOKENIZER

TEXTS = {"en": "a long sentence", "am": "ab", "sw": "medium", "und": ""}
OPTIONS = EvalOptions(
    decode=DecodeOptions(),
    longform=LongformOptions(clips="whole", timestamps=False, drops_hallucinations=False, hears_pauses=False),
    batch_size=2,
)


def sound(seed: int) -> Samples:
    rng = np.random.default_rng(seed)
    return (0.1 * rng.standard_normal(HOP * (20 + 10 * seed)) * rng.random()).astype(np.float32)


def item(number: int, lang: str, audio: Samples | None = None) -> EvalItem:
    text = TEXTS[lang]
    heard = sound(number) if audio is None else audio
    return EvalItem(
        item_id=f"{lang}-{number}",
        recording_id=f"r{number}",
        source="learnt",
        lang=lang,
        task="transcribe" if text else "no_speech",
        text=text,
        hear=lambda: heard,
        cues=(Cue(start_ms=0, end_ms=400, text=text),) if text else (),
    )


ITEMS = [item(number, lang) for number, lang in enumerate(TEXTS)]


@pytest.fixture(scope="module")
def learnt() -> Loaded:
    torch.manual_seed(0)
    net = Whisper(DIMS)
    mels = [log_mel(torch.from_numpy(one.hear())[None], DIMS.n_mels)[0] for one in ITEMS]
    mels = [mel_FT[:, : len(one.hear()) // HOP] for mel_FT, one in zip(mels, ITEMS, strict=True)]
    lengths_B = torch.tensor([mel_FT.shape[1] for mel_FT in mels])
    mel_BFT = torch.stack([F.pad(mel_FT, (0, int(lengths_B.max()) - mel_FT.shape[1])) for mel_FT in mels])
    sequences = [
        [*TOKENIZER.sot_sequence(lang, "transcribe"), *TOKENIZER.encode(f" {text}"), TOKENIZER.eot]
        if text
        else [TOKENIZER.sot, TOKENIZER.no_speech, TOKENIZER.eot]
        for lang, text in TEXTS.items()
    ]
    width = max(map(len, sequences))
    inputs = torch.tensor([row + [TOKENIZER.eot] * (width - len(row)) for row in sequences])
    targets = torch.tensor([row[1:] + [-100] * (width - len(row)) for row in sequences])
    optimizer = torch.optim.AdamW(net.parameters(), lr=8e-3)
    for _ in range(80):
        loss = F.cross_entropy(net(mel_BFT, inputs[:, :-1], lengths_B).flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05
    vocabulary = Vocabulary(ranks=b"", num_languages=100)
    card = Card(dims=DIMS, vocabulary=vocabulary, shards_uri=None, shards_fingerprint=None, audio="speech")
    return Loaded(net=net.eval(), tokenizer=TOKENIZER, card=card, step=0)


def test_what_was_learnt_is_heard_in_order_with_language_and_loss(learnt: Loaded) -> None:
    found = evaluate(learnt, ITEMS, OPTIONS)
    assert [one.item for one in found] == ITEMS
    assert [one.hypothesis for one in found[:3]] == ["a long sentence", "ab", "medium"]
    assert [one.heard_lang for one in found] == ["en", "am", "sw", None]
    assert [one.heard_nobody for one in found] == [False, False, False, True]
    assert all(0 < one.nll / one.num_tokens < 0.1 for one in found)
    assert [one.duration_ms for one in found] == [200, 300, 400, 500]
    assert all(one.timing is not None and one.timing.num_edges == 2 for one in found[:3])
    assert found[3].timing is None


def test_what_is_longer_than_a_window_goes_through_the_long_form(learnt: Loaded) -> None:
    twice = item(9, "sw", np.concatenate([sound(2), np.zeros(HOP * 20, np.float32), sound(2)]))
    short, long = evaluate(learnt, [ITEMS[2], twice], OPTIONS)
    assert short.hypothesis == "medium"
    assert long.duration_ms == 1000 and long.item is twice and long.num_tokens == 0
    assert long.timing is not None and long.timing.num_edges == 2


def test_a_model_trained_on_silence_hears_silence(learnt: Loaded) -> None:
    deaf = replace(learnt, card=replace(learnt.card, audio="silence"))
    assert evaluate(deaf, ITEMS[:1], OPTIONS)[0].nll > evaluate(learnt, ITEMS[:1], OPTIONS)[0].nll


def test_options_leave_losses_and_times_out(learnt: Loaded) -> None:
    (found,) = evaluate(learnt, ITEMS[:1], replace(OPTIONS, times_words=False, takes_losses=False))
    assert (found.num_tokens, found.timing) == (0, None)


def test_windows_are_padded_as_the_checkpoint_learnt_them_unless_told(learnt: Loaded) -> None:
    foreign = replace(learnt, pads_windows=True)
    losses = [
        evaluate(model, ITEMS[:1], replace(OPTIONS, pads_windows=told))[0].nll
        for model, told in ((learnt, None), (foreign, False), (foreign, None), (learnt, True))
    ]
    assert losses[0] == losses[1] < losses[2] == losses[3]


def told(number: int, said: str, hypothesis: str, **given: object) -> Utterance:
    asked = replace(item(0, "en"), text=said, item_id=str(number), recording_id=str(number))
    asked = replace(asked, **{name: given.pop(name) for name in ("task", "lang", "source") if name in given})  # type: ignore[arg-type]
    plain = {"duration_ms": 60_000, "heard_lang": "en", "heard_nobody": False, "nll": 2.0, "num_tokens": 4}
    return Utterance(item=asked, hypothesis=hypothesis, **(plain | given))  # type: ignore[arg-type]


def test_known_answers_give_known_rows() -> None:
    answers = [
        told(1, "One two.", "one too", timing=Timing(errors_ms=(100, 300), num_edges=4)),
        told(2, "Three.", "three", heard_lang="sw"),
        told(3, "Hello, world.", "Hello, world.", task="translate", lang="sw"),
        told(4, "", "you you", task="no_speech", lang="und", source="music", heard_lang=None),
        told(5, "", "", task="no_speech", lang="und", source="white", heard_lang=None, heard_nobody=True),
    ]
    rows = result_rows(answers, Place(checkpoint="a.ckpt", eval_set="test"), resamples=50)
    assert from_rows(rows, EVAL_RESULT).num_rows == len(rows)
    values = {
        (row["task"], row["lang"], row["source"], row["metric"]): row["value"]
        for row in rows
        if row["normaliser"] != "whisper"
    }
    assert values["transcribe", "en", "all", "wer"] == pytest.approx(1 / 3)
    assert values["transcribe", "en", "all", "timing_ms"] == 200
    assert values["transcribe", "en", "all", "timing_close"] == 0.5
    assert values["transcribe", "en", "all", "timing_found"] == 0.5
    assert values["detect_language", "all", "all", "accuracy"] == 0.5
    assert values["translate", "sw", "all", "chrf"] == pytest.approx(100)
    assert values["no_speech", "und", "all", "hallucinated"] == 0.5
    assert values["no_speech", "all", "music", "words_per_min"] == 2
    assert values["no_speech", "all", "white", "accuracy"] == 1
    assert values["transcribe", "all", "all", "loss"] == 0.5
    assert {row["condition"] for row in rows} == {"clean"}


def test_checkpoints_are_compared_on_the_same_utterances() -> None:
    first = [told(number, "one two three", "one two tree") for number in range(9)]
    second = [replace(one, hypothesis="one two three") for one in first]
    found = {(one.task, one.metric, one.normaliser): one for one in compare(first, second, "test", 50)}
    wer = found["transcribe", "wer", BASIC]
    assert (wer.first, wer.second, wer.change.value) == (pytest.approx(1 / 3), 0.0, pytest.approx(-1 / 3))
    assert wer.change.high is not None and wer.change.high < 0
    with pytest.raises(AssertionError, match="not the same utterances"):
        list(compare(first, second[::-1], "test", 50))
