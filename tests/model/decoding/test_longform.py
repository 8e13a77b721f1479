"""Whole recordings: openai-whisper's segments and word times, and many recordings at once as each alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from model.decoding.batch import Batch
from model.decoding.engine import Engine
from model.decoding.longform import LongformOptions, Recording, Transcriber, is_silence
from model.decoding.options import Decoded, DecodeOptions, Fallback
from model.decoding.segments import Piece, cut_tokens
from model.decoding.speech import cut, speech_share
from model.decoding.transcript import Segment, Transcript, Word
from model.decoding.words import Heard, time_words, warp, with_words
from model.net import ModelDimensions, Whisper
from model.tokenizer import Tokenizer
from pipeline.errors import UserError
from tests.model.decoding.learnt import LENGTHS, TOKENIZER, Learnt
from tests.model.golden import openai_decoding, openai_longform

ANSWERS = json.loads(openai_longform.PATH.read_bytes())
WHISPER = LongformOptions(clips="whole", lang="en", min_window_ms=0, drops_hallucinations=False, hears_pauses=False)
PLAIN = LongformOptions(clips="whole", timestamps=False, drops_hallucinations=False, min_window_ms=0)
NO_RULES = Fallback(temperatures=(0.0,), max_compression_ratio=None, max_no_speech_prob=None)


@pytest.fixture(scope="module")
def engine() -> Engine:
    net = Whisper(ModelDimensions(**openai_decoding.DIMS))
    openai_decoding.fill(net)
    return Engine(net.eval(), pads_windows=True)


def transcribe(
    engine: Engine, tokenizer: Tokenizer, recordings: Sequence[Recording], options: LongformOptions, **decoding: Any
) -> dict[str, Transcript]:
    batch = Batch(engine, tokenizer, DecodeOptions(**{"fallback": NO_RULES} | decoding), 3)
    found = Transcriber(batch, options).run(recordings)
    return {recording.name: transcript for recording, transcript in found}


@pytest.mark.parametrize("name", list(openai_longform.CASES))
def test_segments_are_those_of_openai_whisper(name: str, engine: Engine) -> None:
    given = openai_longform.CASES[name]
    options = replace(WHISPER, previous_text=given["condition_on_previous_text"])
    fallback = replace(
        NO_RULES,
        max_no_speech_prob=given.get("no_speech_threshold"),
        min_avg_logprob=given.get("logprob_threshold", -1.0),
    )
    recording = Recording(name="one", mel_FT=openai_longform.mel())
    found = transcribe(engine, Tokenizer.openai(), [recording], options, max_tokens=48, fallback=fallback)["one"]
    assert [[one.start_ms, one.end_ms, list(one.tokens)] for one in found.segments] == [
        [start, min(end, recording.duration_ms), tokens] for start, end, tokens in ANSWERS[name]
    ]


def test_words_start_when_openai_whisper_says(engine: Engine) -> None:
    tokenizer = Tokenizer.openai()
    mel_FT = torch.nn.functional.pad(openai_longform.mel()[:, :1000], (0, 2000))
    heard = Heard(audio_SD=engine.encode([mel_FT])[0], num_positions=500)
    text = tokenizer.encode(openai_longform.WORDS_TEXT)
    [words] = time_words(engine, tokenizer, heard, (tokenizer.sot_sequence("sw", "transcribe"), [text]), ())
    assert [word.text for word in words] == [word for word, _, _ in ANSWERS["words"]]
    assert [word.start_ms for word in words] == [start for _, start, _ in ANSWERS["words"]]
    assert [word.end_ms for word in words[:-1]] == [end for _, _, end in ANSWERS["words"]][:-1]


def test_languages_without_spaces_are_timed_by_character(engine: Engine) -> None:
    tokenizer = Tokenizer.openai()
    heard = Heard(audio_SD=engine.encode([openai_longform.mel()[:, :400]])[0], num_positions=200)
    texts = [tokenizer.encode("你好，世界。"), tokenizer.encode("好")]
    found = time_words(engine, tokenizer, heard, (tokenizer.sot_sequence("zh", "transcribe"), texts), ((1, 0),))
    assert ["".join(word.text for word in words) for words in found] == ["你好，世界。", "好"]
    assert [word.text for word in found[0]] == ["你好，", "世界。"]  # tokens are no smaller
    assert all(0.0 <= word.prob <= 1.0 for words in found for word in words)


@pytest.mark.parametrize("clips", ["whole", "speech"])
def test_recordings_together_say_what_each_says_alone(learnt: Learnt, clips: str) -> None:
    options = replace(PLAIN, clips=clips)
    speech = ((0, LENGTHS[0] * 10), (LENGTHS[0] * 10, (LENGTHS[0] + LENGTHS[2]) * 10))
    long = torch.cat([learnt.mels[0], learnt.mels[2]], dim=1)
    recordings = [
        Recording(name="long", mel_FT=long, speech=speech),
        *(
            Recording(name=str(row), mel_FT=learnt.mels[row], speech=((0, LENGTHS[row] * 10),))
            for row in (1, 2, 0, 1, 2)
        ),
    ]
    together = transcribe(learnt.engine, TOKENIZER, recordings, options)
    assert together["1"].text == "ab" and together["1"].lang == "am"
    for recording in recordings:
        alone = transcribe(learnt.engine, TOKENIZER, [recording], options)[recording.name]
        other = together[recording.name]
        assert (alone.text, alone.lang, alone.duration_ms) == (other.text, other.lang, other.duration_ms)
    assert together["long"].segments[0].text == "a long sentence"
    assert together["long"].lang_prob is not None  # heard once, in the first window


def test_a_recording_without_speech_is_an_empty_transcript(learnt: Learnt) -> None:
    silent = Recording(name="silent", mel_FT=learnt.mels[0], speech=())
    found = transcribe(learnt.engine, TOKENIZER, [silent], replace(PLAIN, clips="speech"))
    assert found["silent"] == Transcript(lang="und", lang_prob=None, duration_ms=600, segments=())


def test_text_where_nobody_speaks_is_dropped(learnt: Learnt) -> None:
    options = replace(PLAIN, drops_hallucinations=True)
    said = {"speech": ((0, 310),), "silence": ((900, 950),)}
    recordings = [Recording(name=name, mel_FT=learnt.mels[1], speech=spans) for name, spans in said.items()]
    found = transcribe(learnt.engine, TOKENIZER, recordings, options)
    assert {name: one.text for name, one in found.items()} == {"speech": "ab", "silence": ""}
    deaf = transcribe(learnt.engine, TOKENIZER, recordings, replace(options, hears_pauses=False))
    assert deaf["silence"].text == "ab"


def test_words_are_timed_inside_their_recording(learnt: Learnt) -> None:
    recording = Recording(name="long", mel_FT=torch.cat([learnt.mels[0], learnt.mels[2]], dim=1))
    found = transcribe(learnt.engine, TOKENIZER, [recording], replace(PLAIN, lang="en", words=True))["long"]
    words = [word for segment in found.segments for word in segment.words]
    assert "".join(word.text for word in found.segments[0].words).strip() == "a long sentence"
    assert all(0 <= word.start_ms <= word.end_ms <= recording.duration_ms for word in words)
    assert min(word.start_ms for word in found.segments[1].words) >= 600


BEGIN = 1000


@pytest.mark.parametrize(
    ("tokens", "pieces", "step"),
    [
        # start a end start b end: silence after the last end
        ([1000, 1, 1010, 1010, 2, 1020], [(0, 20, (1000, 1, 1010)), (20, 40, (1010, 2, 1020))], 3000),
        # start a end start: the next window takes up what was begun
        ([1000, 1, 1010, 1012], [(0, 20, (1000, 1, 1010))], 20),
        ([1000, 1, 1010, 1012, 2], [(0, 20, (1000, 1, 1010))], 20),
        ([1000, 1, 1010], [(0, 20, (1000, 1, 1010))], 3000),
        ([1000, 1], [(0, 3000, (1000, 1))], 3000),
        ([1, 2], [(0, 3000, (1, 2))], 3000),
        ([], [(0, 3000, ())], 3000),
    ],
)
def test_tokens_are_cut_at_their_timestamps(tokens: list[int], pieces: list[Any], step: int) -> None:
    found, advance = cut_tokens(tokens, BEGIN, 3000)
    assert found == [Piece(start=start, end=end, tokens=said) for start, end, said in pieces]
    assert advance == step


ANSWER = Decoded(
    tokens=(), text="", lang="en", lang_probs={}, avg_logprob=-1.5, no_speech_prob=0.7,
    compression_ratio=1.0, temperature=0.0, is_loop=False,
)  # fmt: skip


def test_silence_is_doubt_about_speech_and_about_the_text() -> None:
    assert is_silence(ANSWER, Fallback())
    assert not is_silence(replace(ANSWER, no_speech_prob=0.5), Fallback())
    assert not is_silence(replace(ANSWER, avg_logprob=-0.5), Fallback())
    assert is_silence(replace(ANSWER, avg_logprob=-0.5), Fallback(min_avg_logprob=None))
    assert not is_silence(ANSWER, Fallback(max_no_speech_prob=None))


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], []),
        ([(1000, 2000), (3000, 4000)], [(800, 4200)]),
        ([(1000, 9000), (9500, 12_000)], [(800, 9200), (9300, 12_000)]),  # margins do not overlap
        ([(0, 25_000)], [(0, 8333), (8333, 16_666), (16_666, 25_000)]),
        ([(50, 150)], [(0, 350)]),
    ],
)
def test_windows_are_cut_at_pauses(spans: list[tuple[int, int]], expected: list[tuple[int, int]]) -> None:
    assert cut(spans, 10_000, 12_000 if len(spans) != 1 or spans[0][1] < 20_000 else 25_000) == expected


def test_the_share_of_speech_counts_overlap() -> None:
    assert speech_share([(0, 100), (200, 300)], 50, 250) == 0.5
    assert speech_share([], 0, 100) == 0.0


def test_the_cheapest_path_follows_the_cells_that_cost_least() -> None:
    cost = np.ones((3, 5))
    cost[[0, 0, 1, 2, 2], [0, 1, 2, 3, 4]] = 0.0
    rows, columns = warp(cost)
    assert (rows.tolist(), columns.tolist()) == ([0, 0, 1, 2, 2], [0, 1, 2, 3, 4])


SEGMENT = Segment(
    start_ms=1000, end_ms=3000, text="a b", tokens=(), avg_logprob=0.0, no_speech_prob=0.0,
    compression_ratio=1.0, temperature=0.0,
)  # fmt: skip


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        ((1100, 1500), (2000, 2800), (1100, 2800)),  # the words know better
        ((200, 1500), (2000, 4000), (1000, 3000)),  # too far outside
        ((900, 1500), (2000, 3400), (900, 3400)),
    ],
)
def test_a_segment_takes_the_ends_of_its_first_and_last_word(
    first: tuple[int, int], last: tuple[int, int], expected: tuple[int, int]
) -> None:
    words = [Word(start_ms=start, end_ms=end, text="w", prob=1.0) for start, end in (first, last)]
    timed = with_words(SEGMENT, words)
    assert (timed.start_ms, timed.end_ms) == expected
    assert (timed.words[0].start_ms, timed.words[-1].end_ms) == expected
    assert with_words(SEGMENT, []) == SEGMENT


def test_options_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(UserError, match="clips 'vad' are none; expected 'whole' or 'speech'; choose one of these"):
        LongformOptions(clips="vad")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="previous_text cannot be told to clips that are decoded at the same time; exp"):
        LongformOptions(clips="speech", previous_text=True)
