"""Whisper's decoding heuristics switched on one after the other, each scored against captions beside the audio."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from jobs.transcribing.inputs import Item
from jobs.transcribing.parts import Model, Settings, hear_all, load_model
from model.decoding.longform import LongformOptions, Recording
from model.decoding.options import DecodeOptions, Fallback
from model.evaluation.metrics import error_rates, hallucination_rates
from pipeline.errors import UserError
from pipeline.segment import captions

CAPTIONS = (".vtt", ".srt", ".txt")
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
    references = {item.name: text for item in items if (text := reference(Path(item.uri)))}
    if not references:
        raise UserError(
            f"none of {len(items)} files has captions beside it; expected NAME{CAPTIONS[0]} for NAME.mp3, "
            f"or one of {CAPTIONS[1:]}; put them there"
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


def reference(path: Path) -> str:
    """Return the text of the captions beside an audio file, nothing when there are none."""
    beside = next((path.with_suffix(suffix) for suffix in CAPTIONS if path.with_suffix(suffix).is_file()), None)
    if beside is None:
        return ""
    found = captions.parse(beside.read_bytes())
    return " ".join(cue.text for cue in found.cues) or found.text


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
