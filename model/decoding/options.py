"""What a decoding may be asked for, and what it answers; every number is openai-whisper's default (2025-06)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

from pipeline.errors import UserError

Task = Literal["transcribe", "translate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """When a text is tried again at the next temperature (Whisper §4.5); None switches a rule off.

    A window with `no_speech_prob` above its limit and a log-probability below its own is silence, and final.
    """

    temperatures: Sequence[float] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    max_compression_ratio: float | None = 2.4
    min_avg_logprob: float | None = -1.0
    max_no_speech_prob: float | None = 0.6

    def __post_init__(self) -> None:
        if not self.temperatures or min(self.temperatures) < 0.0:
            raise UserError(f"temperatures {self.temperatures} are none to decode at; expected 0 or more; try [0.0]")


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeOptions:
    """How tokens are chosen. At temperature 0 `beam_size` beams compete, above it the best of `best_of` samples wins.

    `length_penalty` is Google NMT's alpha; None divides by the length. `max_initial_timestamp_ms` None lets the first
    timestamp be any. `max_loop_repeats` None lets the model repeat itself (guards.py).
    """

    beam_size: int = 1
    best_of: int = 1
    patience: float = 1.0
    length_penalty: float | None = None
    max_tokens: int | None = None  # None: half the context, as at OpenAI
    suppress_non_speech: bool = True
    suppress_blank: bool = True
    max_initial_timestamp_ms: int | None = 1000
    max_loop_repeats: int | None = None
    fallback: Fallback = field(default_factory=lambda: Fallback(temperatures=(0.0,)))

    def __post_init__(self) -> None:
        if self.beam_size < 1 or self.best_of < 1:
            raise UserError(
                f"beam_size {self.beam_size} and best_of {self.best_of} leave nothing to choose from; "
                "expected 1 or more; 1 is greedy"
            )
        if round(self.beam_size * self.patience) < 1:
            raise UserError(
                f"patience {self.patience} ends a search of {self.beam_size} beams before it starts; "
                "expected beam_size x patience of 1 or more; try 1.0"
            )
        if self.length_penalty is not None and not 0.0 <= self.length_penalty <= 1.0:
            raise UserError(f"length_penalty {self.length_penalty} is no exponent; expected 0 to 1; null is the mean")

    @property
    def group(self) -> int:
        """Rows a window takes."""
        return max(self.beam_size, self.best_of)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One window to decode: mel_FT of its own length, and what to ask. `lang` None asks for it first.

    `previous` are tokens said before, `seed` names the randomness of its samples, `key` is the caller's own.
    """

    mel_FT: Tensor
    task: Task = "transcribe"
    lang: str | None = None
    timestamps: bool = False
    previous: tuple[int, ...] = ()
    seed: str = ""
    key: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """What the model says about one window.

    `tokens` are the new ones, without eot. `avg_logprob` is their mean log-probability, eot included. `no_speech_prob`
    is the probability of no_speech right after the start token. `lang_probs` is empty where the language was given.
    """

    tokens: tuple[int, ...]
    text: str
    lang: str
    lang_probs: dict[str, float]
    avg_logprob: float
    no_speech_prob: float
    compression_ratio: float
    temperature: float
    is_loop: bool

    @property
    def lang_prob(self) -> float | None:
        """Probability of the language, where it was detected."""
        return self.lang_probs.get(self.lang)
