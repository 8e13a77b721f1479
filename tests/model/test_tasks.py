"""What a model is taught: Whisper's sequences, the notes' language identification, and where the loss counts."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from model.sample import Cue, Sample
from model.tasks.base import Encoded, TaskOptions
from model.tasks.registry import TASKS, task
from model.tokenizer import Tokenizer
from pipeline.errors import DataError, UserError

TOKENIZER = Tokenizer.openai()
SOT, EOT, PREV, NO_TIMES = TOKENIZER.sot, TOKENIZER.eot, TOKENIZER.sot_prev, TOKENIZER.no_timestamps
EN, AM, TRANSCRIBE, TRANSLATE = 50259, 50334, TOKENIZER.transcribe, TOKENIZER.translate
HELLO, WORLD = TOKENIZER.encode(" Hello"), TOKENIZER.encode(" world.")
START = TOKENIZER.timestamp_begin
TIMED_TEXT = [START + 5, *HELLO, START + 50, START + 75, *WORLD, START + 100]

PLAIN = TaskOptions(prev_text_prob=0.0, timestamp_prob=0.0)
TIMED = TaskOptions(prev_text_prob=0.0, timestamp_prob=1.0)
WITH_PREV = TaskOptions(prev_text_prob=1.0, timestamp_prob=0.0)

SPEECH = Sample(
    segment_id="r1:0",
    recording_id="r1",
    source="s",
    kind="transcribe",
    lang="en",
    text="Hello world.",
    text_lang="en",
    cues=(Cue(start_ms=100, end_ms=1_000, text="Hello"), Cue(start_ms=1_500, end_ms=2_000, text="world.")),
    prev_text="Hello",
    duration_ms=2_200,
    tasks=("transcribe", "detect_language"),
)
TRANSLATION = replace(SPEECH, kind="translate", lang="am", tasks=("translate",))
SILENCE = replace(SPEECH, kind="no_speech", lang="und", text="", text_lang=None, cues=(), tasks=("no_speech",))


def encode(name: str, sample: Sample, options: TaskOptions, seed: int = 0) -> Encoded:
    return task(name).encode(sample, TOKENIZER, options, random.Random(seed))


def at(ms: int) -> int:
    return TOKENIZER.timestamp(ms)


@pytest.mark.parametrize(
    ("name", "sample", "options", "tokens"),
    [
        ("transcribe", SPEECH, PLAIN, [SOT, EN, TRANSCRIBE, NO_TIMES, *HELLO, *WORLD, EOT]),
        ("transcribe", SPEECH, TIMED, [SOT, EN, TRANSCRIBE, *TIMED_TEXT, EOT]),
        ("translate", TRANSLATION, PLAIN, [SOT, AM, TRANSLATE, NO_TIMES, *HELLO, *WORLD, EOT]),
        ("translate", TRANSLATION, TIMED, [SOT, AM, TRANSLATE, *TIMED_TEXT, EOT]),
        ("detect_language", SPEECH, PLAIN, [SOT, EN, *HELLO, *WORLD, EOT]),
        ("detect_language", SPEECH, replace(PLAIN, language_id_with_text=False), [SOT, EN]),
        ("no_speech", SILENCE, PLAIN, [SOT, TOKENIZER.no_speech, EOT]),
    ],
)
def test_each_task_writes_its_sequence_and_all_after_the_start_counts(
    name: str, sample: Sample, options: TaskOptions, tokens: list[int]
) -> None:
    encoded = encode(name, sample, options)
    assert encoded.tokens == tokens
    assert encoded.loss_mask == [False] + [True] * (len(tokens) - 1)
    assert encoded.audio_ms is None


def test_previous_text_comes_first_and_does_not_count() -> None:
    encoded = encode("transcribe", SPEECH, WITH_PREV)
    plain = encode("transcribe", SPEECH, PLAIN)
    assert encoded.tokens == [PREV, *HELLO, *plain.tokens]
    assert encoded.loss_mask == [False, *[False] * len(HELLO), *plain.loss_mask]


@pytest.mark.parametrize("prev_text", [None, "", "  "])
def test_without_previous_text_there_is_no_marker(prev_text: str | None) -> None:
    assert encode("transcribe", replace(SPEECH, prev_text=prev_text), WITH_PREV).tokens[0] == SOT


def test_previous_text_keeps_its_last_223_tokens() -> None:
    prev_text = " ".join(str(number) for number in range(500))
    tokens = encode("transcribe", replace(SPEECH, prev_text=prev_text), WITH_PREV).tokens
    assert tokens.index(SOT) == 1 + 223
    assert tokens[1:224] == TOKENIZER.encode(" " + prev_text)[-223:]


@pytest.mark.parametrize(("num_words", "num_prev"), [(300, 448 - 305 - 1), (440, 2), (441, 1), (442, 0)])
def test_previous_text_takes_only_the_room_that_the_text_leaves(num_words: int, num_prev: int) -> None:
    sample = replace(SPEECH, text="a" + " a" * (num_words - 1), prev_text="b" + " b" * 300)
    tokens = encode("transcribe", sample, WITH_PREV).tokens
    assert len(tokens) <= 448
    assert max(tokens.index(SOT) - 1, 0) == num_prev


def test_an_overlong_text_names_its_segment() -> None:
    sample = replace(SPEECH, text="a" + " a" * 443)
    for name in ("transcribe", "detect_language"):
        with pytest.raises(DataError, match="segment 'r1:0' gives 4[45]. tokens, too many; at most 440 fit; skip"):
            encode(name, sample, replace(PLAIN, max_tokens=440))
    with pytest.raises(DataError, match="segment 'r1:0' gives 449 tokens, too many; at most 448 fit"):
        encode("transcribe", sample, PLAIN)


def test_a_cue_cut_by_the_window_gives_only_its_start_with_timestamps() -> None:
    sample = replace(SPEECH, duration_ms=1_800)
    encoded = encode("transcribe", sample, TIMED)
    assert encoded.tokens == [SOT, EN, TRANSCRIBE, at(100), *HELLO, at(1_000), at(1_500), EOT]
    assert encoded.audio_ms is None


def test_a_cue_cut_by_the_window_is_left_out_with_its_audio_without_timestamps() -> None:
    encoded = encode("transcribe", replace(SPEECH, duration_ms=1_800), PLAIN)
    assert encoded.tokens == [SOT, EN, TRANSCRIBE, NO_TIMES, *HELLO, EOT]
    assert encoded.audio_ms == 1_500


def test_a_window_with_only_a_cut_cue_is_written_with_timestamps() -> None:
    sample = replace(SPEECH, cues=SPEECH.cues[:1], duration_ms=800)
    assert encode("transcribe", sample, PLAIN).tokens == [SOT, EN, TRANSCRIBE, at(100), EOT]


def test_a_cue_that_ends_one_step_late_is_not_cut() -> None:
    tokens = encode("transcribe", replace(SPEECH, duration_ms=1_985), TIMED).tokens
    assert tokens[-2:] == [at(1_980), EOT]


@pytest.mark.parametrize(
    "cues",
    [
        (),
        (Cue(start_ms=0, end_ms=900, text="Hello"), Cue(start_ms=800, end_ms=2_000, text="world.")),
        (Cue(start_ms=1_000, end_ms=900, text="Hello world."),),
    ],
)
def test_without_rising_cues_there_are_no_timestamps(cues: tuple[Cue, ...]) -> None:
    assert encode("transcribe", replace(SPEECH, cues=cues), TIMED).tokens[3] == NO_TIMES


def test_a_cut_cue_that_overlaps_others_takes_no_audio_away() -> None:
    cues = (Cue(start_ms=500, end_ms=900, text="Hello"), Cue(start_ms=0, end_ms=9_000, text="world."))
    for options in (PLAIN, TIMED):
        encoded = encode("transcribe", replace(SPEECH, cues=cues), options)
        assert encoded.tokens == [SOT, EN, TRANSCRIBE, NO_TIMES, *HELLO, *WORLD, EOT]
        assert encoded.audio_ms is None


def test_text_of_languages_without_spaces_gets_no_leading_space() -> None:
    sample = replace(SPEECH, lang="ja", text_lang="ja", text=" 日本 ", prev_text=None)
    assert encode("transcribe", sample, PLAIN).tokens[4:-1] == TOKENIZER.encode("日本")
    english = replace(sample, kind="translate", text_lang="en", text="Japan")
    assert encode("translate", english, PLAIN).tokens[4:-1] == TOKENIZER.encode(" Japan")


@pytest.mark.parametrize(
    ("is_seen", "prob"),
    [
        (lambda tokens: tokens[0] == PREV, TaskOptions(prev_text_prob=0.3, timestamp_prob=0.5)),
        (lambda tokens: NO_TIMES not in tokens, TaskOptions(prev_text_prob=0.5, timestamp_prob=0.3)),
    ],
)
def test_previous_text_and_timestamps_come_at_their_probability(
    is_seen: Callable[[list[int]], bool], prob: TaskOptions
) -> None:
    seen = [is_seen(encode("transcribe", SPEECH, prob, seed).tokens) for seed in range(2_000)]
    assert sum(seen) / len(seen) == pytest.approx(0.3, abs=0.04)


def test_the_same_draws_give_the_same_tokens() -> None:
    options = TaskOptions()
    assert encode("transcribe", SPEECH, options, seed=7) == encode("transcribe", SPEECH, options, seed=7)


def test_dropout_writes_the_same_target_in_other_tokens_and_leaves_the_prompt() -> None:
    options = replace(TIMED, prev_text_prob=1.0, bpe_dropout=0.5)
    plain = encode("transcribe", SPEECH, replace(options, bpe_dropout=0.0)).tokens
    drawn = [encode("transcribe", SPEECH, options, seed).tokens for seed in range(8)]
    assert len({tuple(tokens) for tokens in drawn}) > 4
    assert {TOKENIZER.decode(tokens) for tokens in drawn} == {TOKENIZER.decode(plain)}
    assert {tuple(tokens[:5]) for tokens in drawn} == {(PREV, *HELLO, SOT, EN, TRANSCRIBE)}
    found = encode("detect_language", SPEECH, options).tokens
    assert TOKENIZER.decode(found) == " Hello world."
    assert len(found) > len(encode("detect_language", SPEECH, PLAIN).tokens)


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_dropout_that_is_no_share_is_refused(share: float) -> None:
    with pytest.raises(UserError, match=f"bpe_dropout {share} is no share; expected 0 to below 1; try 0.1"):
        TaskOptions(bpe_dropout=share)


@pytest.mark.parametrize(
    ("sample", "names"),
    [
        (SPEECH, {"transcribe", "detect_language"}),
        (replace(SPEECH, tasks=("transcribe",)), {"transcribe"}),
        (TRANSLATION, {"translate"}),
        (replace(TRANSLATION, tasks=("transcribe", "translate")), {"translate"}),
        (SILENCE, {"no_speech"}),
        (replace(SPEECH, text=" "), set()),
        (replace(SILENCE, tasks=()), set()),
    ],
)
def test_a_sample_serves_the_tasks_that_were_decided_and_fit_it(sample: Sample, names: set[str]) -> None:
    assert {name for name in TASKS if task(name).eligible(sample)} == names


def test_an_unknown_task_is_named_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"task 'transcrib' does not exist; have .*; did you mean 'transcribe'\?"):
        task("transcrib")
