"""What every task shares: options, the encoded result, and Whisper's sequence format (§2.3, Figure 1).

[sot_prev previous text] sot language task [no_timestamps text | (start text end)*] eot
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from model.sample import Cue, Sample
from model.tokenizer import TIMESTAMP_STEP_MS, Tokenizer
from pipeline.errors import DataError, UserError
from pipeline.languages import language


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOptions:
    """Say how examples are written.

    `language_id_with_text`: detect_language is trained as language token and text (the project's notes);
    without it the language token is the whole answer, as in Whisper. `bpe_dropout` is the share of merges left out
    of the target's text, at random: the same words come in other tokens (Provilkov et al. 2020, who used 0.1).
    """

    prev_text_prob: float = 0.5  # Whisper, Table 17: condition on prior text rate
    timestamp_prob: float = 0.5  # not published by OpenAI
    max_tokens: int = 448  # Whisper's text context
    language_id_with_text: bool = True
    bpe_dropout: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.bpe_dropout < 1.0:
            raise UserError(f"bpe_dropout {self.bpe_dropout} is no share; expected 0 to below 1; try 0.1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A complete sequence, prompt and targets; `loss_mask[i]` tells whether predicting `tokens[i]` counts.

    With `audio_ms` set, only that much of the audio belongs to the tokens: the rest must be cut off.
    """

    tokens: list[int]
    loss_mask: list[bool]
    audio_ms: int | None = None


class Rng(Protocol):
    """A source of uniform draws; `random.Random` and numpy's Generator both are."""

    def random(self) -> float:
        """Return a number in [0, 1)."""
        ...


class Task(Protocol):
    """A task is a module with these two functions; it is known by its file's name."""

    def eligible(self, sample: Sample) -> bool:
        """Tell whether the sample can serve the task."""
        ...

    def encode(self, sample: Sample, tokenizer: Tokenizer, options: TaskOptions, rng: Rng) -> Encoded:
        """Write the sample as tokens; DataError when they are more than options.max_tokens."""
        ...


def has_task(sample: Sample, name: str, kind: str) -> bool:
    """Tell whether the sample is of this kind, has text, and was decided to serve this task."""
    return sample.kind == kind and name in sample.tasks and bool(sample.text.strip())


def encode_speech(
    task: Literal["transcribe", "translate"],
    sample: Sample,
    tokenizer: Tokenizer,
    options: TaskOptions,
    rng: Rng,
) -> Encoded:
    """Write text for speech, with previous text and timestamps each at their own probability."""
    wants_prev, wants_timestamps = (
        rng.random() < options.prev_text_prob,
        rng.random() < options.timestamp_prob,
    )
    cues = [cue for cue in sample.cues if cue.text.strip()]
    ordered = _are_ordered(cues, sample)
    partial = ordered and _is_partial(cues[-1], sample)
    whole = cues[:-1] if partial else cues
    timestamps = ordered and (wants_timestamps or (partial and not whole))
    write = writer(sample, tokenizer, options, rng)
    if timestamps:
        target = [token for cue in cues for token in _timed(cue, sample, tokenizer, write)]
    else:
        target = write(" ".join(cue.text.strip() for cue in whole) if partial else sample.text)
    tokens = [*tokenizer.sot_sequence(sample.lang, task, timestamps), *target, tokenizer.eot]
    check_length(tokens, sample, options)
    prev = _previous_text(sample, tokenizer, options, len(tokens)) if wants_prev else []
    return Encoded(
        tokens=prev + tokens,
        loss_mask=[False] * (len(prev) + 1) + [True] * (len(tokens) - 1),
        audio_ms=cues[-1].start_ms if partial and not timestamps else None,
    )


def writer(sample: Sample, tokenizer: Tokenizer, options: TaskOptions, rng: Rng) -> Callable[[str], list[int]]:
    """Return how the sample's text becomes tokens; draws from `rng` only where merges are left out."""
    if options.bpe_dropout == 0.0:
        return lambda text: tokenizer.encode(spoken_text(text, sample))
    return lambda text: tokenizer.encode_with_dropout(spoken_text(text, sample), options.bpe_dropout, rng.random)


def spoken_text(text: str, sample: Sample) -> str:
    """Return the text as Whisper writes it: with a leading space where the language spaces its words."""
    lead = " " if language(sample.text_lang or sample.lang).spaces_words else ""
    return lead + text.strip()


def check_length(tokens: Sequence[int], sample: Sample, options: TaskOptions) -> None:
    """Raise DataError for a sequence that the decoder cannot hold."""
    if len(tokens) > options.max_tokens:
        raise DataError(
            f"segment {sample.segment_id!r} gives {len(tokens)} tokens, too many; "
            f"at most {options.max_tokens} fit; skip it or segment its recording finer"
        )


def _previous_text(sample: Sample, tokenizer: Tokenizer, options: TaskOptions, num_taken: int) -> list[int]:
    """Return the marker and the newest previous text that fits, at most half the context less one (223)."""
    room = min(options.max_tokens // 2 - 1, options.max_tokens - num_taken - 1)
    if not (sample.prev_text or "").strip() or room <= 0:
        return []
    return [tokenizer.sot_prev, *tokenizer.encode(spoken_text(sample.prev_text or "", sample))[-room:]]


def _timed(cue: Cue, sample: Sample, tokenizer: Tokenizer, write: Callable[[str], list[int]]) -> list[int]:
    """Return start, text, end; of a cue that the window cuts off only the start (Whisper §2.3)."""
    start = tokenizer.timestamp(cue.start_ms)
    if _is_partial(cue, sample):
        return [start]
    end = tokenizer.timestamp(min(cue.end_ms, sample.duration_ms))
    return [start, *write(cue.text), end]


def _is_partial(cue: Cue, sample: Sample) -> bool:
    return cue.end_ms > sample.duration_ms + TIMESTAMP_STEP_MS


def _are_ordered(cues: Sequence[Cue], sample: Sample) -> bool:
    """Tell whether the cues can be written as rising timestamps inside the window."""
    times = [ms for cue in cues for ms in (cue.start_ms, cue.end_ms)]
    return bool(cues) and times == sorted(times) and times[0] >= 0 and cues[-1].start_ms <= sample.duration_ms
