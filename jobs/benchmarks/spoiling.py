"""Defects in three strengths, put on purpose on recordings that are known to be good.

A defect says where it is (`bad_ms`, in the audio's time), so that windows it does not touch still count as clean.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.annotate.agreement import margin
from pipeline.audio import SAMPLE_RATE, SAMPLES_PER_MS, Samples
from pipeline.sources.embedded.captions import Cue, write_captions
from pipeline.sources.embedded.encoding import encode
from pipeline.sources.embedded.room import background

ALIKE = 0.3  # of margin: lines that are nearer are the same sentence in other words
SHARES = (0.7, 0.85, 1.0)  # of the lines, in one run
_MARKS = re.compile(r"[^\w\s]")
_CREDITS = {
    "en": ("Subtitles by the Amara.org community", "Thanks for watching!", "Please subscribe to my channel"),
    "es": ("Subtítulos realizados por la comunidad de Amara.org", "Gracias por ver el video", "¡Suscríbete al canal!"),
    "sw": ("Manukuu na Amina Juma", "Asanteni kwa kutazama", "Jiandikishe kwenye chaneli yangu"),
    "am": ("ትርጉም፦ አበበ ከበደ", "ስለተመለከታችሁ እናመሰግናለን።", "ሰብስክራይብ ያድርጉ"),
    "fr": ("Sous-titres réalisés par Jean Petit", "Merci d'avoir regardé cette vidéo !", "Abonnez-vous à la chaîne"),
    "it": ("Sottotitoli a cura di Marco Rossi", "Grazie per aver guardato il video", "Iscrivetevi al nostro canale"),
    "nl": ("Ondertiteld door Jan de Vries", "Bedankt voor het kijken!", "Abonneer je op mijn kanaal"),
    "ru": ("Субтитры сделал Иван Иванов", "Спасибо за просмотр!", "Подписывайтесь на канал!"),
    "cs": ("Titulky vytvořil Jan Novák", "Děkujeme za sledování!", "Přihlaste se k odběru kanálu"),
}
_TAGS = ("[Music]", "(applause)", "♪♪")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A recording with its captions: what is spoken, what is claimed, where it is bad.

    `spoken_lang` None is no speech. `head` goes before the cues of the WebVTT file.
    """

    key: str
    claimed_lang: str
    spoken_lang: str | None
    samples: Samples
    cues: tuple[Cue, ...]
    defect: str = "clean"
    strength: int = 0
    bad_ms: tuple[tuple[int, int], ...] = ()
    head: str = ""
    audio_format: str = "flac"

    @property
    def duration_ms(self) -> int:
        """Length of the audio."""
        return len(self.samples) // SAMPLES_PER_MS

    def audio(self) -> bytes:
        """Return the audio file."""
        return encode(self.samples, self.audio_format)

    def captions(self) -> str:
        """Return the caption file."""
        return write_captions(self.cues, "vtt").replace("WEBVTT\n", f"WEBVTT\n{self.head}", 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Help:
    """What a defect may use: dice, and other good recordings, none of them spoilt itself."""

    rng: np.random.Generator
    others: Sequence[Recording]

    def foreign(self, lang: str, turn: int, besides: str = "") -> Recording | None:
        """Return a recording in another language, each language in its turn; None where there is no other."""
        langs = sorted({other.claimed_lang for other in self.others} - {lang, besides})
        if not langs:
            return None
        chosen = [other for other in self.others if other.claimed_lang == langs[turn % len(langs)]]
        return chosen[int(self.rng.integers(len(chosen)))]


Defect = Callable[[Recording, int, Help], Recording | None]  # None where a set cannot have it


def lower_case(take: Recording, strength: int, aid: Help) -> Recording:
    """Write lines without capitals and marks."""
    return _reworded(take, strength, aid, lambda line: _bare(line).lower())


def upper_case(take: Recording, strength: int, aid: Help) -> Recording:
    """Write lines in capitals without marks."""
    return _reworded(take, strength, aid, lambda line: _bare(line).upper())


def machine_marks(take: Recording, strength: int, aid: Help) -> Recording:
    """Leave one of three signs of a recogniser in the file."""
    heads = (
        "Kind: captions\nNOTE Confidence: 0.91\n",
        "NOTE\nTranscribed by Otter.ai\n",
        "NOTE auto-generated captions\n",
    )
    return replace(take, head=heads[strength] + "\n", bad_ms=((0, take.duration_ms),))


def rolling_auto(take: Recording, strength: int, aid: Help) -> Recording:
    """Fill lines to a width, without marks, each until the next one begins: 42, 36 or 30 characters."""
    width = (42, 36, 30)[strength]
    words = [(cue.start_ms, cue.end_ms, _bare(cue.text).lower()) for cue in take.cues]
    timed: list[tuple[int, str]] = []
    for start_ms, end_ms, line in words:
        pieces = line.split()
        step_ms = (end_ms - start_ms) / max(1, len(pieces))
        timed += [(int(start_ms + at * step_ms), piece) for at, piece in enumerate(pieces)]
    lines: list[tuple[int, str]] = []
    for start_ms, piece in timed:
        if lines and len(lines[-1][1]) + len(piece) < width:
            lines[-1] = (lines[-1][0], f"{lines[-1][1]} {piece}")
        else:
            lines.append((start_ms, piece))
    ends = [start_ms for start_ms, _ in lines[1:]] + [take.cues[-1].end_ms]
    cues = (Cue(start_ms=at, end_ms=end, text=line) for (at, line), end in zip(lines, ends, strict=True))
    return replace(take, cues=tuple(cues), bad_ms=((0, take.duration_ms),))


def loop(take: Recording, strength: int, aid: Help) -> Recording:
    """Say one line over and over: three, five or eight times in each cue."""
    line = " ".join([take.cues[0].text] * (3, 5, 8)[strength])
    return _retimed(take, [replace(cue, text=line) for cue in take.cues])


def shifted(take: Recording, strength: int, aid: Help) -> Recording:
    """Move all captions by one, three or six seconds, later or earlier."""
    shift_ms = int((1000, 3000, 6000)[strength] * aid.rng.choice([-1, 1]))
    moved = [replace(cue, start_ms=cue.start_ms + shift_ms, end_ms=cue.end_ms + shift_ms) for cue in take.cues]
    return _retimed(take, [replace(cue, start_ms=max(0, cue.start_ms)) for cue in moved if cue.end_ms > 200])


def stretched(take: Recording, strength: int, aid: Help) -> Recording:
    """Let the captions' clock run slow: by 15, 30 or 60 %."""
    factor = (1.15, 1.3, 1.6)[strength]
    slow = [replace(cue, start_ms=int(cue.start_ms * factor), end_ms=int(cue.end_ms * factor)) for cue in take.cues]
    return _retimed(take, slow)


def truncated(take: Recording, strength: int, aid: Help) -> Recording:
    """Cut each line's text: to its first half, third or fifth; a line of one word has no parts."""
    share = (0.5, 0.35, 0.2)[strength]
    cut = [replace(cue, text=_head(cue.text, share)) for cue in take.cues]
    edges = [0, *(cue.end_ms for cue in take.cues[:-1]), take.duration_ms]
    spans = zip(take.cues, edges[:-1], edges[1:], strict=True)
    return replace(take, cues=tuple(cut), bad_ms=tuple(span for cue, *span in spans if len(cue.text.split()) > 1))


def padded(take: Recording, strength: int, aid: Help) -> Recording:
    """Write more than is said: twice, three or four times as much."""
    own = [other for other in aid.others if other.claimed_lang == take.claimed_lang and other.key != take.key]
    spare = [cue.text for other in own for cue in other.cues]
    times = (2, 3, 4)[strength]
    return _retimed(take, [replace(cue, text=_padded(cue.text, times, spare, aid.rng)) for cue in take.cues])


def wrong_language(take: Recording, strength: int, aid: Help) -> Recording | None:
    """Show captions in another language than the spoken and claimed one, not English: that is a translation."""
    other = aid.foreign(take.claimed_lang, strength, besides="en")
    if other is None:
        return None
    lines = [cue.text for cue in other.cues]
    return _retimed(take, [replace(cue, text=lines[at % len(lines)]) for at, cue in enumerate(take.cues)])


def wrong_text(take: Recording, strength: int, aid: Help) -> Recording:
    """Show what is said in another recording of the language: of 50 %, 75 % or all lines. Only a model hears it."""
    own = [other for other in aid.others if other.claimed_lang == take.claimed_lang and other.key != take.key]
    spare = [cue.text for other in own for cue in other.cues]
    first, last = _run(len(take.cues), (0.5, 0.75, 1.0)[strength], aid.rng)
    cues = [
        replace(cue, text=_alike(cue.text, spare, aid.rng)) if first <= at < last else cue
        for at, cue in enumerate(take.cues)
    ]
    return replace(take, cues=tuple(cues), bad_ms=((take.cues[first].start_ms, take.cues[last - 1].end_ms),))


def wrong_audio(take: Recording, strength: int, aid: Help) -> Recording | None:
    """Speak another language than text and claim say; each of the others is a strength."""
    other = aid.foreign(take.claimed_lang, strength)
    if other is None:
        return None
    lines = [cue.text for cue in take.cues]
    cues = [replace(cue, text=lines[at % len(lines)]) for at, cue in enumerate(other.cues)]
    changed = replace(take, samples=other.samples, spoken_lang=other.claimed_lang)
    return _retimed(changed, cues)


def no_speech(take: Recording, strength: int, aid: Help) -> Recording:
    """Caption silence, a place's noise or music."""
    num = len(take.samples)
    sounds = (
        background(num, 1e-4, aid.rng),
        background(num, 0.01, aid.rng),
        _music(num, aid.rng),
    )
    return replace(take, samples=sounds[strength], spoken_lang=None, bad_ms=((0, take.duration_ms),))


def noisy(take: Recording, strength: int, aid: Help) -> Recording:
    """Add a place's noise: 3 dB under the speech, as loud, 5 dB over it."""
    snr_db = (3.0, 0.0, -5.0)[strength]
    speech_rms = float(np.sqrt(np.mean(np.square(take.samples[np.abs(take.samples) > 1e-3]))))
    return _heard(take, take.samples + background(len(take.samples), speech_rms / 10 ** (snr_db / 20), aid.rng))


def clipped(take: Recording, strength: int, aid: Help) -> Recording:
    """Record peaks four, ten or forty times too high."""
    gain = (4.0, 10.0, 40.0)[strength] / float(np.abs(take.samples).max())
    return _heard(take, 0.9 * np.clip(take.samples * gain, -1, 1))


def narrow_band(take: Recording, strength: int, aid: Help) -> Recording:
    """Cut off everything above 2, 1.5 or 1 kHz."""
    spectrum = np.fft.rfft(take.samples)
    spectrum[np.fft.rfftfreq(len(take.samples), 1 / SAMPLE_RATE) > (2000, 1500, 1000)[strength]] = 0
    return _heard(take, np.fft.irfft(spectrum, len(take.samples)))


def dead(take: Recording, strength: int, aid: Help) -> Recording:
    """Lose a run of the sound: 70 %, 85 % or all of it."""
    first_ms, last_ms = _run(take.duration_ms, SHARES[strength], aid.rng)
    samples = take.samples.copy()
    samples[first_ms * SAMPLES_PER_MS : last_ms * SAMPLES_PER_MS] = 0
    return replace(take, samples=samples, bad_ms=((first_ms, last_ms),))


def credit_lines(take: Recording, strength: int, aid: Help) -> Recording | None:
    """Show credits and thanks in place of lines."""
    lines = _CREDITS.get(take.claimed_lang)
    if lines is None:
        return None  # nobody has written such lines in this language yet
    return _reworded(take, strength, aid, lambda line: lines[len(line) % len(lines)])


def sound_tags(take: Recording, strength: int, aid: Help) -> Recording:
    """Note sounds in place of lines."""
    return _reworded(take, strength, aid, lambda line: _TAGS[len(line) % len(_TAGS)])


DEFECTS: tuple[Defect, ...] = (
    lower_case,
    upper_case,
    machine_marks,
    rolling_auto,
    loop,
    shifted,
    stretched,
    truncated,
    padded,
    wrong_language,
    wrong_audio,
    no_speech,
    noisy,
    clipped,
    narrow_band,
    dead,
    credit_lines,
    sound_tags,
)


def spoil(take: Recording, defect: Defect, strength: int, aid: Help) -> Recording | None:
    """Put a defect on a good recording; None where the set cannot have it."""
    spoilt = defect(take, strength, aid)
    if spoilt is None:
        return None
    name = defect.__name__
    return replace(spoilt, key=f"{take.key}-{name}-{strength}", defect=name, strength=strength)


def _reworded(take: Recording, strength: int, aid: Help, reword: Callable[[str], str]) -> Recording:
    """Reword a run of lines; the windows of these are bad."""
    first, last = _run(len(take.cues), SHARES[strength], aid.rng)
    cues = [replace(cue, text=reword(cue.text)) if first <= at < last else cue for at, cue in enumerate(take.cues)]
    return replace(take, cues=tuple(cues), bad_ms=((take.cues[first].start_ms, take.cues[last - 1].end_ms),))


def _retimed(take: Recording, cues: Sequence[Cue]) -> Recording:
    return replace(take, cues=tuple(cues), bad_ms=((0, take.duration_ms),))


def _heard(take: Recording, samples: NDArray[np.floating]) -> Recording:
    peak = max(1.0, float(np.abs(samples).max()) / 0.95)
    return replace(take, samples=(samples / peak).astype(np.float32), bad_ms=((0, take.duration_ms),))


def _run(length: int, share: float, rng: np.random.Generator) -> tuple[int, int]:
    """Place a run of so large a share, rounded up."""
    size = min(length, int(np.ceil(length * share)))
    first = int(rng.integers(0, length - size + 1))
    return first, first + size


def _alike(line: str, others: Sequence[str], rng: np.random.Generator) -> str:
    """Choose another line of about the same length, and no variant of it where there are others."""
    by_length = sorted((other for other in others if other != line), key=lambda other: abs(len(other) - len(line)))
    strange = (other for other in by_length if (margin(line, other) or 0.0) < ALIKE)
    nearest = list(itertools.islice(strange, 5)) or by_length[:5]
    return nearest[int(rng.integers(len(nearest)))]


def _music(num_samples: int, rng: np.random.Generator) -> Samples:
    """Play chords, a new one each half second."""
    chords = 2.0 ** (rng.integers(0, 12, num_samples // 8000 + 1) / 12)
    pitch = np.repeat(chords, 8000)[:num_samples]
    phase = np.cumsum(pitch) * 2 * np.pi / SAMPLE_RATE
    return sum(0.1 * np.sin(phase * hertz) for hertz in (220.0, 277.2, 329.6)).astype(np.float32)  # type: ignore[union-attr]


def _bare(line: str) -> str:
    return " ".join(_MARKS.sub("", line).split())


def _head(line: str, share: float) -> str:
    words = line.split()
    head = " ".join(words[: max(1, round(len(words) * share))])
    return head if head == line or not _MARKS.match(line[-1]) else head.rstrip(".,።፣") + line[-1]


def _padded(line: str, times: int, spare: Sequence[str], rng: np.random.Generator) -> str:
    """Add other lines until the text is so many times as long."""
    text = line
    while len(text) < times * len(line):
        text = f"{text} {spare[int(rng.integers(len(spare)))]}"
    return text
