"""Times that a caption lacks or has wrong, taken from where speech is: every repair is off or on, and leaves its mark.

Sound is decoded only for captions that need it: text without times, cues longer than a window, and all of them where
`shifted` or `stretched` asks for it. A model that reads along (`by_ear`) lays text where it hears it; without one, or
where it hears too little of it, text is laid by its length.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pipeline.errors import UserError
from pipeline.segment.align import place
from pipeline.segment.cue import Caption, Cue
from pipeline.segment.heard import ByEar, Sound, lay
from pipeline.sync import find_clock, find_sync

Spans = Sequence[tuple[int, int]]
_AS_IT_IS = (1.0, 0)
Hear = Callable[[], Sound | None]  # None for what does not decode


@dataclass(frozen=True, slots=True, kw_only=True)
class RetimeOptions:
    """What is repaired: text without times, cues longer than a window, captions shifted as a whole or on another clock.

    A shift is undone when it is `min_shift_ms` at least and its captions then fit the speech with `min_synced`; a clock
    likewise, by what it is off at the recording's end. What is laid is laid by its length, unless `by_ear` hears it.
    """

    untimed: bool = False
    overlong: bool = False
    shifted: bool = False
    stretched: bool = False
    min_shift_ms: int = 200
    min_synced: float = 0.6
    by_ear: ByEar | None = None

    def __post_init__(self) -> None:
        """Refuse a correlation that is none."""
        if not 0 < self.min_synced <= 1:
            raise UserError(
                f"min_synced {self.min_synced} is no correlation; expected above 0 to 1; mend segment.retime"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Retimed:
    """A caption with its times; how they came (column `alignment`), and what was added to those of the file.

    Where the file's clock was another, `shift_ms` is what was added at the recording's beginning.
    """

    caption: Caption
    alignment: str | None
    shift_ms: int | None = None


def retime(caption: Caption, duration_ms: int, max_ms: int, hear: Hear, options: RetimeOptions) -> Retimed:
    """Give a caption's text its times; cues it makes last `max_ms` at most."""
    if caption.status == "untimed":
        return _untimed(caption, duration_ms, max_ms, hear, options)
    if caption.status != "ok":
        return Retimed(caption=caption, alignment=None)
    sound = hear() if options.shifted or options.stretched else None
    rate, shift_ms = _clock(caption.cues, sound.speech_ms, duration_ms, options) if sound else _AS_IT_IS
    cues = _moved(caption.cues, rate, shift_ms)
    num_lost = caption.num_lost + len(caption.cues) - len(cues)
    if options.overlong and any(cue.end_ms - cue.start_ms > max_ms for cue in cues):
        sound = sound or hear()
        cues = _cut(cues, sound, max_ms, options) if sound else cues
    alignment = "cues" if rate == 1 else "stretched"
    return Retimed(caption=replace(caption, cues=cues, num_lost=num_lost), alignment=alignment, shift_ms=shift_ms)


def _untimed(caption: Caption, duration_ms: int, max_ms: int, hear: Hear, options: RetimeOptions) -> Retimed:
    """Lay text over the speech; all of a recording that is one window is that of the text."""
    if duration_ms <= max_ms:
        whole = Cue(start_ms=0, end_ms=duration_ms, text=" ".join(caption.text.split()))
        return Retimed(caption=replace(caption, cues=(whole,), text=""), alignment="whole")
    sound = hear() if options.untimed else None
    heard = _lay(caption.text, sound, max_ms, options) if sound else ()
    cues = heard or (place(caption.text, sound.speech_ms, max_ms) if sound else ())
    if not cues:
        return Retimed(caption=caption, alignment="none")
    return Retimed(caption=replace(caption, cues=cues, text=""), alignment="heard" if heard else "speech")


def _lay(written: str, sound: Sound, max_ms: int, options: RetimeOptions) -> tuple[Cue, ...]:
    return lay(written, sound, options.by_ear, max_ms) if options.by_ear else ()


def _clock(cues: Sequence[Cue], speech_ms: Spans, duration_ms: int, options: RetimeOptions) -> tuple[float, int]:
    """Return what to multiply the times by, and what to add to them then."""
    spans = [(cue.start_ms, cue.end_ms) for cue in cues]
    clock = find_clock(spans, speech_ms, duration_ms) if options.stretched else None
    if clock and clock.synced >= options.min_synced and abs(clock.rate - 1) * duration_ms >= options.min_shift_ms:
        return clock.rate, clock.offset_ms
    found = find_sync(spans, speech_ms, duration_ms) if options.shifted else None
    is_sure = found and abs(found.offset_ms) >= options.min_shift_ms and found.synced >= options.min_synced
    return (1.0, found.offset_ms) if found and is_sure else _AS_IT_IS


def _moved(cues: Sequence[Cue], rate: float, shift_ms: int) -> tuple[Cue, ...]:
    """Change all times; what would end before the recording begins is left out."""
    if (rate, shift_ms) == _AS_IT_IS:
        return tuple(cues)
    moved = (
        replace(cue, start_ms=max(0, round(cue.start_ms * rate) + shift_ms), end_ms=round(cue.end_ms * rate) + shift_ms)
        for cue in cues
    )
    return tuple(cue for cue in moved if cue.end_ms > 0)


def _cut(cues: Sequence[Cue], sound: Sound, max_ms: int, options: RetimeOptions) -> tuple[Cue, ...]:
    """Cut cues longer than a window between their sentences, as these lie on the speech within."""
    found: list[Cue] = []
    for cue in cues:
        pieces: tuple[Cue, ...] = ()
        if cue.end_ms - cue.start_ms > max_ms:
            inside = [
                (max(start, cue.start_ms), min(end, cue.end_ms))
                for start, end in sound.speech_ms
                if start < cue.end_ms and end > cue.start_ms
            ]
            heard = _lay(cue.text, replace(sound, speech_ms=inside), max_ms, options)
            pieces = heard or place(cue.text, inside, max_ms, is_theirs=True)
        found += [replace(piece, speaker=cue.speaker) for piece in pieces] or [cue]
    return tuple(sorted(found, key=lambda cue: (cue.start_ms, cue.end_ms)))
