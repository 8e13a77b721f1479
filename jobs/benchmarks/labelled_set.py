"""A labelled set for scoring filters: good recordings, and every defect in three strengths in every language.

Spoken by other voices and from another seed than the embedded corpus, or cut from a folder of real recordings.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from jobs.benchmarks.spoiling import DEFECTS, Defect, Help, Recording, spoil, wrong_text
from pipeline.audio import SAMPLES_PER_MS
from pipeline.decoder import decode
from pipeline.errors import UserError, unknown_name
from pipeline.segment import captions
from pipeline.segment.windows import MAX_MS
from pipeline.sources.embedded import plan as embedded
from pipeline.sources.embedded.captions import Cue
from pipeline.sources.embedded.perform import perform
from pipeline.sources.embedded.plan import named_rng

NUM_STRENGTHS = 3
PIECE_MS = 40_000  # of a real recording
# espeak-ng's own variants, none of which the embedded corpus speaks with.
VARIANTS = ("+m1", "+m4", "+m6", "+f1", "+f3", "+f5")
_PER_LANGUAGE = 36  # recordings of a language that the embedded plan makes at scale 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SetOptions:
    """The seed, how many good recordings of each language, and a folder of real ones to use instead.

    `has_wrong_text` adds the defect that only a model can hear; `defects` names those wanted, all when None.
    """

    seed: int
    num_clean: int
    real: str | None = None
    has_wrong_text: bool = False
    defects: Sequence[str] | None = None


def labelled_set(options: SetOptions) -> list[Recording]:
    """Make the set: `num_clean` good recordings a language, then each defect and strength on another one."""
    defects = _defects(options)
    bases = _real(Path(options.real)) if options.real else spoken_set(options, len(defects) * NUM_STRENGTHS)
    made: list[Recording] = []
    for lang, own in sorted(_by_language(bases).items()):
        made += own[: options.num_clean]
        spare = itertools.cycle(own[options.num_clean :] or own)
        for defect, strength in itertools.product(defects, range(NUM_STRENGTHS)):
            rng = named_rng(options.seed, lang, defect.__name__, str(strength))
            spoilt = spoil(next(spare), defect, strength, Help(rng=rng, others=bases))
            made += [spoilt] if spoilt else []
    return made


def _defects(options: SetOptions) -> list[Defect]:
    known = {one.__name__: one for one in ((*DEFECTS, wrong_text) if options.has_wrong_text else DEFECTS)}
    for name in options.defects or ():
        if name not in known:
            raise unknown_name("defect", name, known)
    return list(known.values()) if options.defects is None else [known[name] for name in options.defects]


def spoken_set(options: SetOptions, num_more: int = 0) -> list[Recording]:
    """Speak `num_clean` and some more good recordings in each language."""
    wanted = options.num_clean + num_more
    num_plans = -(-wanted // _PER_LANGUAGE)  # of one size: a plan says no sentence twice, and has so many
    plans = [
        replace(plan, key=f"{number}-{plan.key}")
        for number in range(num_plans)
        for plan in embedded.plan_corpus(options.seed + number, wanted / num_plans / _PER_LANGUAGE)
    ]
    clean = [plan for plan in plans if plan.kind.name == "clean" and plan.spoken_lang == plan.text_lang]
    turns = defaultdict[str, Iterator[str]](lambda: itertools.cycle(VARIANTS))
    voiced = (replace(plan, voice=embedded.VOICES[plan.spoken_lang] + next(turns[plan.spoken_lang])) for plan in clean)
    return [_performed(plan) for plan in voiced]


def _performed(plan: embedded.RecordingPlan) -> Recording:
    take = perform(plan)
    lang = plan.spoken_lang
    return Recording(key=plan.key, claimed_lang=lang, spoken_lang=lang, samples=take.samples, cues=take.cues)


def _real(folder: Path) -> list[Recording]:
    """Cut a folder's recordings into pieces; a caption stands beside its audio, and begins with its language."""
    found = [piece for path in sorted(folder.rglob("*")) if path.suffix in (".vtt", ".srt") for piece in _pieces(path)]
    if not found:
        raise UserError(
            f"folder {str(folder)!r} holds no captions beside audio; "
            "expected en-name.vtt beside en-name.mp3; give real=FOLDER"
        )
    return found


def _pieces(path: Path) -> Iterator[Recording]:
    audio = next(other for other in sorted(path.parent.glob(f"{path.stem}.*")) if other != path)
    samples, lang = decode(audio.read_bytes()).samples, path.stem.partition("-")[0]
    cues = [
        Cue(start_ms=cue.start_ms, end_ms=cue.end_ms, text=cue.text) for cue in captions.parse(path.read_bytes()).cues
    ]
    groups = [list(group) for _, group in itertools.groupby(cues, key=lambda cue: cue.start_ms // PIECE_MS)]
    if len(groups) > 1 and groups[-1][-1].end_ms - groups[-1][0].start_ms < PIECE_MS // 2:
        groups[-2:] = [groups[-2] + groups[-1]]  # a rest of one phrase has no habit, no neighbour and no clock
    for number, own in enumerate(groups):
        if max(cue.end_ms - cue.start_ms for cue in own) > MAX_MS:
            continue  # a cue no window holds is a defect of its own
        start_ms, end_ms = max(0, own[0].start_ms - 200), own[-1].end_ms + 200
        yield Recording(
            key=f"{path.stem}-{number}",
            claimed_lang=lang,
            spoken_lang=lang,
            samples=samples[start_ms * SAMPLES_PER_MS : end_ms * SAMPLES_PER_MS],
            cues=tuple(replace(cue, start_ms=cue.start_ms - start_ms, end_ms=cue.end_ms - start_ms) for cue in own),
        )


def _by_language(recordings: Sequence[Recording]) -> dict[str, list[Recording]]:
    found = defaultdict[str, list[Recording]](list)
    for recording in recordings:
        found[recording.claimed_lang].append(recording)
    return found
