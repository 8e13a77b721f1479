"""Whisper's decoding heuristics switched on one after the other, each scored against captions beside the audio."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from jobs.evaluating.sets import read_captions
from jobs.transcribing.inputs import Item
from jobs.transcribing.parts import Model, Settings, hear_all, load_model
from model.decoding.longform import LongformOptions, Recording
from model.decoding.options import DecodeOptions, Fallback
from model.evaluation.metrics import error_rates, hallucination_rates
from pipeline import sidecars
from pipeline.errors import UserError

OFF = Fallback(temperatures=(0.0,), max_compression_ratio=None, min_avg_logprob=None, max_no_speech_prob=None)
COLUMNS = ("wer", "cer", "inserted", "repeated")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One more heuristic, and all the options with it."""

    name: str
    decode: DecodeOptions
    longform: LongformOptions


def ladder(longform: LongformOptions) -> list[Rung]:
    """Return Whisper's six steps (Radford et al. 2022, Table 7) and our three guards, each on top of those before.

    The paper's voice activity detection is its no-speech rule; ours hears pauses with a detector of its own.
    """
    plain = replace(longform, clips="whole", previous_text=False, drops_hallucinations=False, hears_pauses=False)
    told, dropping = replace(plain, previous_text=True), replace(plain, previous_text=True, drops_hallucinations=True)
    hot = Fallback(max_no_speech_prob=None)
    beams = DecodeOptions(beam_size=5, best_of=5, max_initial_timestamp_ms=None, fallback=OFF)
    warm = replace(beams, fallback=hot)
    silent = replace(warm, fallback=Fallback())
    initial = replace(silent, max_initial_timestamp_ms=1000)
    guarded = DecodeOptions(max_loop_repeats=8, fallback=Fallback())
    steps = [
        ("greedy", replace(beams, beam_size=1, best_of=1), plain),
        ("+ beam search", beams, plain),
        ("+ temperature fallback", warm, plain),
        ("+ no-speech rule", silent, plain),
        ("+ previous text", silent, told),
        ("+ initial timestamp", initial, told),
        ("+ boilerplate list", initial, dropping),
        ("+ silence-aware", initial, replace(dropping, hears_pauses=True)),
        ("greedy, loop break", guarded, replace(dropping, hears_pauses=True)),
        ("and cut at pauses", guarded, replace(dropping, hears_pauses=True, previous_text=False, clips="speech")),
    ]
    return [Rung(name=name, decode=decode, longform=options) for name, decode, options in steps]


def ablate(settings: Settings, items: Sequence[Item]) -> Iterator[str]:
    """Yield a Markdown table, a line for each rung; UserError when no file has captions beside it."""
    references = {item.name: read_captions(beside)[0] for item in items if (beside := caption_beside(item.uri))}
    if not references:
        raise UserError(
            f"none of {len(items)} files has captions beside it; expected for NAME.mp3 NAME with one of "
            f"{sidecars.CAPTIONS} behind it; put them there"
        )
    model, failures = load_model(settings), dict[str, str]()
    ladder_of = ladder(settings.longform)
    hearing = replace(settings, longform=ladder_of[-1].longform)
    recordings = list(hear_all([item for item in items if item.name in references], hearing, model, failures))
    yield from failures.values()
    yield f"| heuristics | {' | '.join(COLUMNS)} | x real time |"
    yield "| --- " * (len(COLUMNS) + 2) + "|"
    for rung in ladder_of:
        yield _score(rung, settings, model, recordings, references)


def caption_beside(audio: str) -> str | None:
    """Return the best captions beside an audio file, None when there are none."""
    beside = (str(path) for path in Path(audio).parent.iterdir())
    return next((caption for path, caption in sidecars.pairs(beside) if path == audio), None)


def _score(
    rung: Rung, settings: Settings, model: Model, recordings: Sequence[Recording], references: dict[str, str]
) -> str:
    started_s = time.monotonic()
    transcriber = model.transcriber(rung.decode, rung.longform, settings.batch_size)
    heard = {recording.name: transcript.text for recording, transcript in transcriber.run(recordings)}
    elapsed_s = time.monotonic() - started_s
    pairs = [(references[name], text) for name, text in heard.items()]
    said, written = [ref for ref, _ in pairs], [hyp for _, hyp in pairs]
    scores = error_rates(said, written) | hallucination_rates(said, written)
    audio_s = sum(recording.duration_ms for recording in recordings) / 1000
    cells = [f"{scores[name]:.3f}" if name in scores else "" for name in COLUMNS]
    return f"| {rung.name} | {' | '.join(cells)} | {audio_s / elapsed_s:.1f} |"
