"""Greedy decoding: a model that learnt four windows by heart says them back, alone or together."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from model.decode import Decoded, detect_language, greedy
from model.net import ModelDimensions, Whisper
from model.tokenizer import Tokenizer, train_bpe
from pipeline.errors import UserError

TOKENIZER = Tokenizer.from_ranks(train_bpe([], 256))
LENGTHS = torch.tensor([60, 31, 44, 20])
LANGS = ["en", "am", "sw"]
TEXTS = [" a long sentence", " ab", " medium"]


@dataclass(frozen=True)
class Learnt:
    """A model and the windows it knows: three with text, the last without speech."""

    model: Whisper
    mel_BFT: Tensor
    sequences: list[list[int]]


@pytest.fixture(scope="module")
def learnt() -> Learnt:
    torch.manual_seed(0)
    dims = ModelDimensions(
        n_mels=8, n_audio_ctx=30, n_audio_state=48, n_audio_head=4, n_audio_layer=1,
        n_vocab=TOKENIZER.n_vocab, n_text_ctx=32, n_text_state=48, n_text_head=4, n_text_layer=1,
    )  # fmt: skip
    model, mel_BFT = Whisper(dims), torch.randn(4, 8, 60)
    sequences = [
        [*TOKENIZER.sot_sequence(lang, "transcribe"), *TOKENIZER.encode(text), TOKENIZER.eot]
        for lang, text in zip(LANGS, TEXTS, strict=True)
    ]
    sequences.append([TOKENIZER.sot, TOKENIZER.no_speech, TOKENIZER.eot])
    width = max(map(len, sequences))
    inputs = torch.tensor([row + [TOKENIZER.eot] * (width - len(row)) for row in sequences])
    targets = torch.tensor([row[1:] + [-100] * (width - len(row)) for row in sequences])
    optimizer = torch.optim.AdamW(model.parameters(), lr=8e-3)
    for _ in range(60):
        logits = model(mel_BFT, inputs[:, :-1], LENGTHS)
        loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05
    return Learnt(model.eval(), mel_BFT, sequences)


def decode(learnt: Learnt, rows: list[int], prompt: list[list[int]], max_tokens: int = 20) -> list[Decoded]:
    return greedy(learnt.model, learnt.mel_BFT[rows], LENGTHS[rows], TOKENIZER, prompt, max_tokens)


def prompts(rows: list[int]) -> list[list[int]]:
    return [TOKENIZER.sot_sequence(LANGS[row], "transcribe") for row in rows]


def test_rows_that_end_at_different_times_come_back_in_order(learnt: Learnt) -> None:
    assert [row.text for row in decode(learnt, [0, 1, 2], prompts([0, 1, 2]))] == ["a long sentence", "ab", "medium"]
    assert [row.text for row in decode(learnt, [1, 2, 0], prompts([1, 2, 0]))] == ["ab", "medium", "a long sentence"]


def test_a_batch_equals_each_row_decoded_alone(learnt: Learnt) -> None:
    together = decode(learnt, [0, 1, 2], prompts([0, 1, 2]))
    for row, expected in enumerate(together):
        alone = decode(learnt, [row], prompts([row]))[0]
        assert alone.tokens == expected.tokens
        assert alone.avg_logprob == pytest.approx(expected.avg_logprob, abs=1e-4)
        assert alone.no_speech_prob == pytest.approx(expected.no_speech_prob, abs=1e-4)


def test_greedy_takes_the_tokens_that_full_recompute_takes(learnt: Learnt) -> None:
    unknown = torch.randn(1, 8, 60)  # a window it does not know, so that the text is the model's own
    tokens = TOKENIZER.sot_sequence("en", "transcribe")
    decoded = greedy(learnt.model, unknown, None, TOKENIZER, [tokens], 12)[0]
    for token in decoded.tokens:
        logits = learnt.model(unknown, torch.tensor([tokens]))[0, -1]
        assert logits[: TOKENIZER.eot + 1].argmax().item() == token
        tokens = [*tokens, token]


def test_the_mean_log_probability_counts_the_end_token(learnt: Learnt) -> None:
    decoded = decode(learnt, [1], prompts([1]))[0]
    sequence = torch.tensor([learnt.sequences[1]])
    logits = learnt.model(learnt.mel_BFT[1:2], sequence[:, :-1], LENGTHS[1:2])
    logits[..., TOKENIZER.eot + 1 :] = -torch.inf  # what may not follow has no share
    chosen = logits.log_softmax(-1)[0].gather(1, sequence[0, 1:, None]).squeeze(1)[3:]
    assert decoded.avg_logprob == pytest.approx(chosen.mean().item(), abs=1e-4)


def test_decoding_stops_at_max_tokens_and_at_the_context(learnt: Learnt) -> None:
    assert decode(learnt, [0], prompts([0]), max_tokens=3)[0].tokens == tuple(TOKENIZER.encode(" a "))
    long_prompt = [[TOKENIZER.sot_prev, *[97] * 25, *prompts([0])[0]]]
    assert len(decode(learnt, [0], long_prompt, max_tokens=99)[0].tokens) <= 32 - len(long_prompt[0])
    assert decode(learnt, [0], prompts([0]), max_tokens=0)[0].tokens == ()


def test_no_speech_is_read_at_the_start_token(learnt: Learnt) -> None:
    prompt = [[TOKENIZER.sot_prev, 97, TOKENIZER.sot]] * 2
    assert [row.no_speech_prob > 0.5 for row in decode(learnt, [0, 3], [[TOKENIZER.sot]] * 2)] == [False, True]
    assert decode(learnt, [3], prompts([0]))[0].no_speech_prob > 0.5
    assert len(decode(learnt, [0, 3], prompt)) == 2


def test_a_bare_start_token_is_followed_by_a_language_or_no_speech(learnt: Learnt) -> None:
    first = [row.tokens[0] for row in decode(learnt, [0, 1, 2, 3], [[TOKENIZER.sot]] * 4)]
    assert first == [*(TOKENIZER.language_id(lang) for lang in LANGS), TOKENIZER.no_speech]


def test_timestamps_follow_only_where_the_prompt_allows_them(learnt: Learnt) -> None:
    stamps, embedding = TOKENIZER.timestamp_begin, learnt.model.decoder.token_embedding.weight
    saved = embedding.detach().clone()
    timed_prompt = [TOKENIZER.sot_prev, *TOKENIZER.sot_sequence("en", "transcribe", timestamps=True)]
    with torch.no_grad():
        embedding[stamps:] = saved[TOKENIZER.encode(" ")[0]] * 1.5  # a timestamp wins wherever a space would
        plain, timed = decode(learnt, [1, 0], [prompts([1])[0], timed_prompt])
        embedding.copy_(saved)
    assert max(plain.tokens) < TOKENIZER.eot
    assert max(timed.tokens) >= stamps
    assert max(timed.tokens[len(plain.tokens) + 1 :]) >= stamps  # its own rule, after the other row has left


def test_detect_language_gives_each_window_its_language(learnt: Learnt) -> None:
    probs = detect_language(learnt.model, learnt.mel_BFT[:3], TOKENIZER, LENGTHS[:3])
    assert [max(row, key=row.__getitem__) for row in probs] == LANGS
    assert all(len(row) == 100 and sum(row.values()) == pytest.approx(1.0) for row in probs)


def test_a_tokenizer_of_another_model_is_refused(learnt: Learnt) -> None:
    with pytest.raises(UserError, match="tokenizer of 51865 tokens does not fit the model; it has n_vocab 1865; load"):
        detect_language(learnt.model, learnt.mel_BFT, Tokenizer.openai())


@pytest.mark.parametrize("prompt", [[[TOKENIZER.sot], [TOKENIZER.sot, 97]], [[97], [TOKENIZER.sot]]])
def test_prompts_that_do_not_form_a_batch_are_refused(learnt: Learnt, prompt: list[list[int]]) -> None:
    with pytest.raises(UserError, match=r"is not decodable in one batch; expected one length, and a start token"):
        decode(learnt, [0, 1], prompt)
