"""A sound print outlives what is done to audio on the web, and two sounds never look alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import soxr  # pyright: ignore[reportMissingTypeStubs]

from pipeline.audio import SAMPLE_RATE, decode_bytes
from pipeline.dedup.sound import HOP_MS, SoundPrint, sound_codes
from pipeline.dedup.sound_match import align, sound_keys
from pipeline.sources.embedded.encoding import encode
from pipeline.sources.embedded.voice import speak
from tests.pipeline.dedup.corpus import noisy, sound

Samples = np.ndarray[Any, Any]
SENTENCES = {
    "en": "The ferry to the islands leaves at noon from the third pier, and bicycles travel free of charge today.",
    "es": "El tren de la costa sale a las nueve y media, y los billetes se compran en la oficina de la plaza.",
}


@pytest.fixture(scope="module")
def spoken() -> dict[str, Samples]:
    return {lang: speak(text, voice=lang, rate_wpm=150, pitch=50) for lang, text in SENTENCES.items()}


def published(samples: Samples, audio_format: str) -> Samples:
    return decode_bytes(encode(samples, audio_format), 60_000).samples


DISTORTIONS = {
    "mp3": lambda samples, _: published(samples, "mp3"),
    "opus": lambda samples, _: published(samples, "ogg"),
    "aac": lambda samples, _: published(samples, "m4a"),
    "louder": lambda samples, _: samples * 1.41,
    "quieter": lambda samples, _: samples * 0.71,
    "later": lambda samples, _: np.concatenate([np.zeros(SAMPLE_RATE // 2, np.float32), samples]),
    "earlier": lambda samples, _: samples[SAMPLE_RATE // 2 :],
    "half a frame off": lambda samples, _: samples[256:],
    "trimmed": lambda samples, _: samples[SAMPLE_RATE // 2 : -SAMPLE_RATE // 2],
    "telephone": lambda samples, _: soxr.resample(soxr.resample(samples, 16_000, 8_000), 8_000, 16_000),
    "inside": lambda samples, other: np.concatenate([other, samples, other]),
}


@pytest.mark.parametrize("distortion", DISTORTIONS)
@pytest.mark.parametrize("lang", SENTENCES)
def test_a_copy_is_found_by_its_keys_and_alike_all_through(
    spoken: dict[str, Samples], lang: str, distortion: str
) -> None:
    one = sound_codes(spoken[lang])
    other = sound_codes(DISTORTIONS[distortion](spoken[lang], spoken["es" if lang == "en" else "en"]))
    assert len(np.intersect1d(sound_keys(one), sound_keys(other))) >= 2
    match = align(one, other, 0.2)
    assert match.coverage >= 0.8
    assert match.similarity > 0.85
    assert (match.longer_coverage < 0.8) == (distortion == "inside")


def test_other_words_of_one_voice_share_nothing(spoken: dict[str, Samples]) -> None:
    assert align(sound_codes(spoken["en"]), sound_codes(spoken["es"]), 0.2).coverage == 0


def test_the_offset_is_where_one_begins_in_the_other_whichever_is_longer() -> None:
    whole = sound(1, 600)
    part = whole[250:450]
    there, back = align(part, whole, 0.2), align(whole, part, 0.2)
    assert (there.offset_ms, back.offset_ms) == (250 * HOP_MS, -250 * HOP_MS)
    assert (there.is_one_longer, back.is_one_longer) == (False, True)
    assert there.coverage == back.coverage == 1.0 and there.longer_coverage == back.longer_coverage < 0.5


def test_a_copy_with_something_put_in_the_middle_is_still_covered() -> None:
    codes = sound(1, 640)
    cut_in = np.concatenate([noisy(codes[:320], 0.5), sound(2, 200), noisy(codes[320:], 0.5)])
    match = align(codes, cut_in, 0.2)
    assert (match.coverage, match.is_one_longer) == (1.0, False)


def test_silence_and_what_is_shorter_than_a_print_have_no_keys() -> None:
    for samples in (np.zeros(SAMPLE_RATE * 4, np.float32), np.zeros(0, np.float32), np.ones(12_000, np.float32)):
        codes = sound_codes(samples)
        assert not codes.any() and not len(sound_keys(codes))
    assert align(sound(1, 0), sound(2, 0), 0.2).coverage == 0


def test_the_windows_of_a_recording_hold_its_whole_print_between_them(spoken: dict[str, Samples]) -> None:
    segments = pa.table({"segment_id": ["r:1000", "r:2500", "r:4000"], "start_ms": [1000, 2500, 4000]})
    table = SoundPrint().measure(segments, spoken["en"])
    assert table["segment_id"].to_pylist() == segments["segment_id"].to_pylist()
    assert table["codes"].combine_chunks().flatten().to_pylist() == sound_codes(spoken["en"]).tolist()
    assert len(table["codes"][0]) == 2500 // HOP_MS
