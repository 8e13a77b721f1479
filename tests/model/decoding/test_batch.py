"""Windows decoded together say what each says alone; windows that fail try again; loops are broken."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from model.decoding.batch import Batch, decode, needs_retry
from model.decoding.engine import Engine
from model.decoding.language import detect_language
from model.decoding.options import Decoded, DecodeOptions, Fallback, Window
from model.tokenizer import Tokenizer
from pipeline.errors import UserError
from tests.model.decoding.learnt import LANGS, TEXTS, TOKENIZER, Learnt, ask

WARM = Fallback(temperatures=(0.0, 0.4, 0.8), min_avg_logprob=1.0, max_no_speech_prob=None)  # nothing is good enough


def test_answers_come_back_in_order(learnt: Learnt) -> None:
    assert [row.text for row in ask(learnt, [0, 1, 2])] == ["a long sentence", "ab", "medium"]
    assert [row.text for row in ask(learnt, [1, 2, 0])] == ["ab", "medium", "a long sentence"]


@pytest.mark.parametrize("options", [DecodeOptions(), DecodeOptions(beam_size=3), DecodeOptions(fallback=WARM)])
def test_few_places_that_are_refilled_give_what_many_give(learnt: Learnt, options: DecodeOptions) -> None:
    together = ask(learnt, [0, 1, 2, 3, 1, 0], options)
    for size in (1, 2):
        for one, other in zip(ask(learnt, [0, 1, 2, 3, 1, 0], options, size), together, strict=True):
            assert (one.tokens, one.temperature) == (other.tokens, other.temperature)
            assert one.avg_logprob == pytest.approx(other.avg_logprob, abs=1e-4)
            assert one.no_speech_prob == pytest.approx(other.no_speech_prob, abs=1e-4)


def test_greedy_takes_the_tokens_that_full_recompute_takes(learnt: Learnt) -> None:
    torch.manual_seed(5)
    unknown = torch.randn(8, 60)  # a window it does not know, so that the text is the model's own
    options = DecodeOptions(max_tokens=12, suppress_blank=False, suppress_non_speech=False)
    decoded = decode(learnt.engine, TOKENIZER, [Window(mel_FT=unknown, lang="en")], options)[0]
    tokens = TOKENIZER.sot_sequence("en", "transcribe")
    for token in (*decoded.tokens, TOKENIZER.eot)[:12]:
        with torch.no_grad():
            logits = learnt.net(unknown[None], torch.tensor([tokens]))[0, -1]
        assert logits[: TOKENIZER.eot + 1].argmax().item() == token
        tokens = [*tokens, token]


def test_the_mean_log_probability_counts_the_end_token(learnt: Learnt) -> None:
    options = DecodeOptions(suppress_blank=False, suppress_non_speech=False)
    decoded = ask(learnt, [1], options)[0]
    sequence = torch.tensor([[*TOKENIZER.sot_sequence(LANGS[1], "transcribe"), *decoded.tokens, TOKENIZER.eot]])
    with torch.no_grad():
        logits = learnt.net(learnt.mels[1][None], sequence[:, :-1])
    logits[..., TOKENIZER.eot + 1 :] = -torch.inf  # what may not follow has no share
    chosen = logits.log_softmax(-1)[0].gather(1, sequence[0, 1:, None]).squeeze(1)[3:]
    assert decoded.avg_logprob == pytest.approx(chosen.mean().item(), abs=1e-4)


def test_decoding_stops_at_max_tokens_and_at_the_context(learnt: Learnt) -> None:
    assert ask(learnt, [0], DecodeOptions(max_tokens=3))[0].tokens == tuple(TOKENIZER.encode(TEXTS[0])[:3])
    window = Window(mel_FT=learnt.mels[0], lang="en", previous=tuple([97] * 99))  # 15 of them are kept
    options = DecodeOptions(max_tokens=99, max_loop_repeats=None)
    assert len(decode(learnt.engine, TOKENIZER, [window], options)[0].tokens) <= 32 + 1 - (1 + 15 + 4)


def test_an_unknown_language_is_heard_first(learnt: Learnt) -> None:
    windows = [Window(mel_FT=learnt.mels[row]) for row in (2, 0, 1)]
    answers = decode(learnt.engine, TOKENIZER, windows, DecodeOptions())
    assert [(one.lang, one.text) for one in answers] == [("sw", "medium"), ("en", "a long sentence"), ("am", "ab")]
    assert answers[0].lang_prob == answers[0].lang_probs["sw"] > 0.5
    assert ask(learnt, [0])[0].lang_prob is None


def test_languages_and_silence_are_heard_at_the_start_token(learnt: Learnt) -> None:
    starts = detect_language(learnt.engine, TOKENIZER, learnt.mels)
    assert [start.lang for start in starts[:3]] == list(LANGS)
    assert [start.is_no_speech for start in starts] == [False, False, False, True]
    assert [start.no_speech_prob > 0.5 for start in starts] == [False, False, False, True]
    assert all(sum(start.lang_probs.values()) == pytest.approx(1.0) for start in starts)


def test_a_window_that_fails_is_tried_at_each_temperature_and_the_same_every_time(learnt: Learnt) -> None:
    tried = ask(learnt, [0, 1], DecodeOptions(fallback=WARM, best_of=2))
    assert [one.temperature for one in tried] == [0.8, 0.8]
    assert ask(learnt, [0, 1], DecodeOptions(fallback=WARM, best_of=2)) == tried


def test_only_windows_that_fail_are_tried_again(learnt: Learnt) -> None:
    first = ask(learnt, [0, 1, 2])
    lowest, second, _ = sorted(one.avg_logprob for one in first)
    fallback = Fallback(temperatures=(0.0, 0.5), min_avg_logprob=(lowest + second) / 2, max_no_speech_prob=None)
    again = ask(learnt, [0, 1, 2], DecodeOptions(fallback=fallback))
    assert [one.temperature for one in again] == [0.5 if one.avg_logprob == lowest else 0.0 for one in first]
    assert [one.text for one in again if not one.temperature] == [
        one.text for one in first if one.avg_logprob != lowest
    ]


DOUBTFUL = Decoded(
    tokens=(), text="", lang="en", lang_probs={}, avg_logprob=-1.5, no_speech_prob=0.1,
    compression_ratio=1.0, temperature=0.0, is_loop=False,
)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "attempt", "expected"),
    [
        ({}, 0, True),
        ({}, 5, False),  # no temperature is left
        ({"avg_logprob": -0.9}, 0, False),
        ({"avg_logprob": -0.9, "compression_ratio": 2.5}, 0, True),
        ({"avg_logprob": -0.9, "is_loop": True}, 0, True),
        ({"no_speech_prob": 0.7}, 0, False),  # silence
        ({"no_speech_prob": 0.7, "avg_logprob": -0.9, "compression_ratio": 2.5}, 0, True),
    ],
)
def test_what_is_unsure_or_repeats_itself_is_tried_again(
    changes: dict[str, float], attempt: int, expected: bool
) -> None:
    assert needs_retry(replace(DOUBTFUL, **changes), Fallback(), attempt) == expected


def test_rules_that_are_off_ask_for_no_retry() -> None:
    off = Fallback(max_compression_ratio=None, min_avg_logprob=None, max_no_speech_prob=None)
    assert not needs_retry(replace(DOUBTFUL, compression_ratio=9.0), off, 0)


def test_a_loop_is_broken_and_said_once(learnt: Learnt) -> None:
    net = copy.deepcopy(learnt.net)
    with torch.no_grad():
        net.decoder.ln.weight.zero_()  # always the same scores
        net.decoder.ln.bias.copy_(net.decoder.token_embedding.weight[TOKENIZER.encode("m")[0]])
    window = Window(mel_FT=learnt.mels[2], lang="sw")
    plain, guarded = (
        decode(Engine(net), TOKENIZER, [window], DecodeOptions(max_tokens=28, max_loop_repeats=limit))[0]
        for limit in (None, 5)
    )
    assert (plain.text, plain.is_loop) == ("m" * 28, False)
    assert (guarded.text, guarded.is_loop) == ("m", True)


def test_a_tokenizer_of_another_model_is_refused(learnt: Learnt) -> None:
    with pytest.raises(UserError, match="tokenizer of 51865 tokens does not fit the model; it has n_vocab 1865; load"):
        Batch(learnt.engine, Tokenizer.openai(), DecodeOptions(), 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beam_size": 0}, "beam_size 0 and best_of 1 leave nothing to choose from; expected 1 or more; 1 is greedy"),
        ({"patience": 0.1}, "patience 0.1 ends a search of 1 beams before it starts; expected beam_size x patience"),
        ({"length_penalty": 2.0}, "length_penalty 2.0 is no exponent; expected 0 to 1; null is the mean"),
    ],
)
def test_options_that_cannot_work_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(UserError, match=message):
        DecodeOptions(**options)  # type: ignore[arg-type]


def test_temperatures_below_zero_are_refused() -> None:
    with pytest.raises(UserError, match=r"temperatures \(-0.2,\) are none to decode at; expected 0 or more; try"):
        Fallback(temperatures=(-0.2,))
