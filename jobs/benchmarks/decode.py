"""Greedy decoding on one core with the same random weights, beside those of others.

openai-whisper, transformers, CTranslate2 and faster-whisper take part where they are installed.
Every engine says the same number of tokens for each window, since the end token is made improbable; the share of
them that are ours is printed too. All read what model/export.py writes. Random weights say nothing about quality.
"""

from __future__ import annotations

import itertools
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from jobs.benchmarks.turns import one_thread, ratio, take_turns
from model.bundle import Bundle, openai_vocabulary
from model.decoding.batch import decode
from model.decoding.engine import Engine
from model.decoding.options import DecodeOptions, Window
from model.formats import ctranslate2, huggingface
from model.mel import SAMPLE_RATE, log_mel
from model.net import ModelDimensions, Whisper
from model.tokenizer import Tokenizer

TINY = ModelDimensions(
    n_mels=80, n_audio_ctx=1500, n_audio_state=384, n_audio_head=6, n_audio_layer=4,
    n_vocab=51865, n_text_ctx=448, n_text_state=384, n_text_head=6, n_text_layer=4,
)  # fmt: skip
FULL_FRAMES = 3000
Texts = list[list[int]]
Decode = Callable[[], Texts]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeBench:
    """Windows at a time, their length, tokens said of each, rounds; `peers` leaves the others out."""

    batch_size: int
    window_s: int
    num_tokens: int
    num_rounds: int
    peers: bool = True


def bench_decode(settings: DecodeBench) -> Iterator[str]:
    """Yield a Markdown table, an engine a line; "short" are windows as they are, the others are padded to 30 s."""
    with one_thread(), tempfile.TemporaryDirectory() as folder:
        candidates = dict(_candidates(settings, Path(folder)))
        expected = candidates["sotto"]()
        shares = {name: _agreement(run(), expected) for name, run in candidates.items()}
        seconds = take_turns(candidates, settings.num_rounds)
    reference = list(candidates)[-1]
    audio_s = settings.batch_size * settings.window_s
    yield f"{settings.batch_size} windows of {settings.window_s} s, {settings.num_tokens} tokens each, tiny, one core"
    yield f"| engine | s | x real time | speed, {reference} = 1 | same tokens |"
    yield "| --- | --- | --- | --- | --- |"
    for name in candidates:
        median_s = statistics.median(seconds[name])
        speed = ratio(seconds, name, reference)
        yield f"| {name} | {median_s:.2f} | {audio_s / median_s:.1f} | {speed:.2f} | {shares[name]:.0%} |"


def _candidates(settings: DecodeBench, folder: Path) -> Iterator[tuple[str, Decode]]:
    net, tokenizer = _net(), Tokenizer.openai()
    generator = torch.Generator().manual_seed(1)
    audio_BN = 0.1 * torch.randn(settings.batch_size, settings.window_s * SAMPLE_RATE, generator=generator)
    short_BFT = log_mel(audio_BN, TINY.n_mels)
    mel_BFT = torch.nn.functional.pad(short_BFT, (0, FULL_FRAMES - short_BFT.shape[2]))
    lengths = {"": mel_BFT} | ({" short": short_BFT} if settings.window_s < FULL_FRAMES // 100 else {})
    engines = {"sotto": Engine(net), "sotto int8": Engine(net, int8=True)}
    for length, windows_BFT in lengths.items():
        for name, engine in engines.items():
            yield f"{name}{length}", _ours(engine, tokenizer, windows_BFT, settings)
    if not settings.peers:
        return
    bundle = Bundle(dims=TINY, weights=net.state_dict(), vocabulary=openai_vocabulary(99))
    huggingface.write(bundle, folder / "huggingface")
    yield "transformers", _transformers(folder / "huggingface", mel_BFT, settings)
    ctranslate2.write(bundle, folder / "ctranslate2")
    for precision, (length, windows_BFT) in itertools.product(("int8", "float32"), lengths.items()):
        run = _ctranslate2(folder / "ctranslate2", precision, windows_BFT, settings)
        yield f"CTranslate2 {precision}{length}", run
    for precision in ("int8", "float32"):
        yield from _faster_whisper(folder / "ctranslate2", precision, audio_BN, settings)
    yield from _openai(net, mel_BFT, settings)


def _net() -> Whisper:
    torch.manual_seed(0)
    net = Whisper(TINY).eval()
    eot = Tokenizer.openai().eot
    with torch.no_grad():
        net.decoder.ln.bias.normal_()  # varied tokens, and never the end
        net.decoder.token_embedding.weight[eot] = -0.2 * net.decoder.ln.bias
    return net


def _ours(engine: Engine, tokenizer: Tokenizer, mel_BFT: Tensor, settings: DecodeBench) -> Decode:
    options = DecodeOptions(max_tokens=settings.num_tokens)
    windows = [Window(mel_FT=mel_FT, lang="en") for mel_FT in mel_BFT]
    return lambda: [list(one.tokens) for one in decode(engine, tokenizer, windows, options, size=len(windows))]


def _transformers(folder: Path, mel_BFT: Tensor, settings: DecodeBench) -> Decode:
    from transformers import WhisperForConditionalGeneration

    net: Any = WhisperForConditionalGeneration.from_pretrained(folder).eval()
    net.generation_config.suppress_tokens += list(Tokenizer.openai().all_language_ids)

    def run() -> Texts:
        said = net.generate(
            input_features=mel_BFT, language="en", task="transcribe", max_new_tokens=settings.num_tokens, num_beams=1
        )
        return [row[-settings.num_tokens :] for row in said.tolist()]

    return run


def _ctranslate2(folder: Path, precision: str, mel_BFT: Tensor, settings: DecodeBench) -> Decode:
    import ctranslate2 as library

    tokenizer = Tokenizer.openai()
    net: Any = library.models.Whisper(str(folder), device="cpu", compute_type=precision, intra_threads=1)
    features: Any = library.StorageView.from_array(mel_BFT.contiguous().numpy())
    prompts = [tokenizer.sot_sequence("en", "transcribe")] * len(mel_BFT)
    never = [-1, *range(tokenizer.eot + 1, tokenizer.n_vocab)]

    def run() -> Texts:
        said = net.generate(
            features, prompts, beam_size=1, max_length=2 * settings.num_tokens, suppress_tokens=never,
            return_scores=True, return_no_speech_prob=True,
        )  # fmt: skip
        return [row.sequences_ids[0] for row in said]

    return run


def _faster_whisper(
    folder: Path, precision: str, audio_BN: Tensor, settings: DecodeBench
) -> Iterator[tuple[str, Decode]]:
    """Yield its batched pipeline, told where the windows lie; it computes features too, of 30 s.

    CTranslate2 says half of the length it is allowed, and faster-whisper adds the prompt of 3 to what it is asked.
    """
    try:
        import faster_whisper  # pyright: ignore[reportMissingImports]
    except ImportError:
        return
    model: Any = faster_whisper.WhisperModel(str(folder), device="cpu", compute_type=precision, cpu_threads=1)
    pipeline: Any = faster_whisper.BatchedInferencePipeline(model)
    clips = [{"start": at * settings.window_s, "end": (at + 1) * settings.window_s} for at in range(len(audio_BN))]
    tokenizer = Tokenizer.openai()
    options: dict[str, Any] = {
        "language": "en", "beam_size": 1, "temperature": 0.0, "without_timestamps": True, "vad_filter": False,
        "max_new_tokens": 2 * settings.num_tokens - 3, "batch_size": len(audio_BN), "clip_timestamps": clips,
        "suppress_tokens": [-1, *range(tokenizer.eot + 1, tokenizer.n_vocab)],
    }  # fmt: skip

    def run() -> Texts:
        segments, _ = pipeline.transcribe(audio_BN.flatten().numpy(), **options)
        return [segment.tokens for segment in segments]

    yield f"faster-whisper {precision}", run


def _openai(net: Whisper, mel_BFT: Tensor, settings: DecodeBench) -> Iterator[tuple[str, Decode]]:
    try:
        import whisper  # pyright: ignore[reportMissingImports]
    except ImportError:
        return
    theirs: Any = whisper.model.Whisper(whisper.model.ModelDimensions(**asdict(TINY))).eval()
    theirs.load_state_dict(net.state_dict())
    tokenizer = Tokenizer.openai()
    never = ",".join(map(str, [-1, *tokenizer.all_language_ids]))
    options: Any = whisper.DecodingOptions(
        language="en", without_timestamps=True, sample_len=settings.num_tokens, fp16=False, suppress_tokens=never
    )
    yield "openai-whisper", lambda: [one.tokens for one in whisper.decode(theirs, mel_BFT, options)]


def _agreement(texts: Sequence[Sequence[int]], expected: Sequence[Sequence[int]]) -> float:
    """Return the share of tokens that are the same in the same place."""
    pairs = [pair for text, other in zip(texts, expected, strict=False) for pair in zip(text, other, strict=False)]
    return sum(one == other for one, other in pairs) / max(sum(map(len, expected)), 1)
