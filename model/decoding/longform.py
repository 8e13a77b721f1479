"""Transcribe whole recordings, many at once: their windows share one batch and its places.

A recording is one clip, or clips cut at pauses that are decoded at the same time. Inside a clip it goes Whisper's way:
the next window starts where the last finished segment ended, and may be told what was said before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, cast

from torch import Tensor

from model.decoding.batch import Batch, Finished
from model.decoding.guards import is_hallucination
from model.decoding.options import Decoded, Fallback, Task, Window
from model.decoding.segments import FRAMES_PER_STAMP, MS_PER_FRAME, Piece, cut_tokens
from model.decoding.speech import Span, cut, speech_share
from model.decoding.transcript import Segment, Transcript
from model.decoding.words import Heads, Heard, time_words, with_words
from pipeline.errors import UserError

Clip = tuple[int, int]  # in frames


@dataclass(frozen=True, slots=True, kw_only=True)
class LongformOptions:
    """How recordings are cut, asked and judged.

    A rest shorter than `min_window_ms` is not asked. What was said hotter than `max_previous_temperature` is not told
    to the next window. Both `clips` "speech" and `hears_pauses` need the spans of speech.
    """

    clips: Literal["whole", "speech"] = "speech"
    task: Task = "transcribe"
    lang: str | None = None
    timestamps: bool = True
    words: bool = False
    min_window_ms: int = 400
    previous_text: bool = False
    max_previous_temperature: float = 0.5
    drops_hallucinations: bool = True
    hears_pauses: bool = True

    def __post_init__(self) -> None:
        if self.clips not in ("whole", "speech"):
            raise UserError(f"clips {self.clips!r} are none; expected 'whole' or 'speech'; choose one of these")
        if self.previous_text and self.clips == "speech":
            raise UserError(
                "previous_text cannot be told to clips that are decoded at the same time; "
                "expected clips=whole; set that, or previous_text=false"
            )

    @property
    def needs_speech(self) -> bool:
        """Tell whether recordings must come with their spans of speech."""
        return self.clips == "speech" or (self.drops_hallucinations and self.hears_pauses)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A recording's features, mel_FT of all of it, and its spans of speech where the options need them.

    `lang` is its own, where it is known; it goes before that of the options.
    """

    name: str
    mel_FT: Tensor
    speech: tuple[Span, ...] = ()
    lang: str | None = None

    @property
    def duration_ms(self) -> int:
        """Length of the features."""
        return self.mel_FT.shape[1] * MS_PER_FRAME


@dataclass(slots=True)
class _Course:
    """A recording on its way: the clips not yet begun, the windows that are out, what was found."""

    recording: Recording
    clips: deque[Clip]
    lang: str | None
    lang_prob: float | None = None
    num_out: int = 0
    said: list[int] = field(default_factory=list[int])
    found: list[Segment] = field(default_factory=list[Segment])

    def transcript(self) -> Transcript:
        """Return what was found, in order of time."""
        return Transcript(
            lang=self.lang or "und",
            lang_prob=self.lang_prob,
            duration_ms=self.recording.duration_ms,
            segments=tuple(sorted(self.found, key=lambda one: one.start_ms)),
        )


class Transcriber:
    """Recordings in, transcripts out, over one batch of windows."""

    def __init__(self, batch: Batch, options: LongformOptions, heads: Heads = ()) -> None:
        """`heads` are those of the cross-attention that follow the speech, where they are known; words need them."""
        self._batch, self._options, self._heads = batch, options, heads
        self._tokenizer = batch.tokenizer
        self._context = batch.engine.dims.n_audio_ctx * FRAMES_PER_STAMP

    def run(self, recordings: Iterable[Recording]) -> Iterator[tuple[Recording, Transcript]]:
        """Transcribe recordings as places come free, and yield each when its last window is done."""
        waiting, coming, silent = deque[Window](), iter(recordings), list[_Course]()

        def take() -> Window | None:
            while not waiting and (recording := next(coming, None)) is not None:
                course = self._course(recording)
                waiting.extend(self._begin(course))
                silent.extend([course] if not course.num_out else [])
            return waiting.popleft() if waiting else None

        for done in self._batch.run(take):
            course, clip = cast(tuple[_Course, Clip], done.window.key)
            waiting.extend(self._go_on(course, clip, done))
            if not course.num_out:
                yield course.recording, course.transcript()
        yield from ((course.recording, course.transcript()) for course in silent)

    def _course(self, recording: Recording) -> _Course:
        num_frames = recording.mel_FT.shape[1]
        clips = [(0, num_frames)]
        if self._options.clips == "speech":
            spans = cut(recording.speech, self._context * MS_PER_FRAME, recording.duration_ms)
            clips = [(start // MS_PER_FRAME, end // MS_PER_FRAME) for start, end in spans]
        return _Course(recording, deque(clips), recording.lang or self._options.lang)

    def _begin(self, course: _Course) -> list[Window]:
        """Ask the clips that may begin: all once the language is known, the first one until then."""
        windows: list[Window] = []
        while course.clips and (course.lang is not None or not course.num_out):
            windows.append(self._window(course, course.clips.popleft()))
        return windows

    def _window(self, course: _Course, clip: Clip) -> Window:
        start, end = clip
        mel_FT = course.recording.mel_FT[:, start : min(start + self._context, end)]
        course.num_out += 1
        return Window(
            mel_FT=mel_FT,
            task=self._options.task,
            lang=course.lang,
            timestamps=self._options.timestamps,
            previous=tuple(course.said) if self._options.previous_text else (),
            seed=f"{course.recording.name}:{start}",
            key=(course, clip),
        )

    def _go_on(self, course: _Course, clip: Clip, done: Finished) -> list[Window]:
        """Keep what a window says and return what to ask next."""
        (start, end), answer = clip, done.decoded
        if course.lang is None:
            course.lang, course.lang_prob = answer.lang, answer.lang_prob
        size = min(self._context, end - start)
        pieces, step = cut_tokens(answer.tokens, self._tokenizer.timestamp_begin, size)
        if is_silence(answer, self._batch.options.fallback):
            pieces, step = [], size
        kept = [(piece, self._segment(course.recording, piece, start, answer)) for piece in pieces]
        segments = [segment for _, segment in kept if segment is not None]
        if self._options.words and segments:
            heard = Heard(audio_SD=done.audio_SD, num_positions=-(-size // FRAMES_PER_STAMP))
            segments = self._time(segments, start, done, heard)
        course.found += segments
        course.said += [token for piece, segment in kept if segment is not None for token in piece.tokens]
        if pieces and answer.temperature > self._options.max_previous_temperature:
            course.said.clear()
        course.num_out -= 1
        rest = (start + step, end)
        next_windows = [self._window(course, rest)] if self._is_worth_asking(rest) else []
        return [*next_windows, *self._begin(course)]

    def _is_worth_asking(self, rest: Clip) -> bool:
        return (rest[1] - rest[0]) * MS_PER_FRAME >= max(self._options.min_window_ms, MS_PER_FRAME)

    def _segment(self, recording: Recording, piece: Piece, start: int, answer: Decoded) -> Segment | None:
        """Judge a piece of the window that starts at frame `start`; None where it says nothing."""
        text = self._tokenizer.decode(piece.tokens).strip()
        start_ms = (start + piece.start) * MS_PER_FRAME
        end_ms = min((start + piece.end) * MS_PER_FRAME, recording.duration_ms)
        if not text or start_ms >= end_ms:
            return None
        if self._options.drops_hallucinations:
            share = speech_share(recording.speech, start_ms, end_ms) if self._options.hears_pauses else None
            if is_hallucination(text, share, answer.no_speech_prob):
                return None
        return Segment(
            start_ms=start_ms,
            end_ms=end_ms,
            text=text,
            tokens=piece.tokens,
            avg_logprob=answer.avg_logprob,
            no_speech_prob=answer.no_speech_prob,
            compression_ratio=answer.compression_ratio,
            temperature=answer.temperature,
        )

    def _time(self, segments: Sequence[Segment], start: int, done: Finished, heard: Heard) -> list[Segment]:
        """Give a window's segments their words."""
        texts = [self._tokenizer.text_tokens(segment.tokens) for segment in segments]
        prompt = self._tokenizer.sot_sequence(done.decoded.lang, done.window.task)
        words = time_words(self._batch.engine, self._tokenizer, heard, (prompt, texts), self._heads)
        shift_ms = start * MS_PER_FRAME
        moved = [
            [replace(word, start_ms=word.start_ms + shift_ms, end_ms=word.end_ms + shift_ms) for word in of_segment]
            for of_segment in words
        ]
        return [with_words(segment, of_segment) for segment, of_segment in zip(segments, moved, strict=True)]


def is_silence(answer: Decoded, fallback: Fallback) -> bool:
    """Tell whether a window's answer is that nobody speaks, whatever its text."""
    if fallback.max_no_speech_prob is None or answer.no_speech_prob <= fallback.max_no_speech_prob:
        return False
    return fallback.min_avg_logprob is None or answer.avg_logprob <= fallback.min_avg_logprob
