"""A window is the same bytes each time, and as many samples come back as went in."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile as sf

from pipeline.audio import SAMPLE_RATE, Samples, to_pcm16
from pipeline.errors import UserError
from pipeline.shard.codec import Codec, Flac, Opus

OPUS = Opus(bits_per_second=24_000, complexity=5)
SERIAL = slice(14, 18)  # of an Ogg page's header (RFC 3533, section 6)


def hum(num_samples: int) -> Samples:
    """A tone whose pitch rises, so that every part of it is known by its pitch."""
    time_s = np.arange(num_samples) / SAMPLE_RATE
    return (0.4 * np.sin(2 * np.pi * (200 + 100 * time_s) * time_s)).astype(np.float32)


def decoded(data: bytes) -> Samples:
    samples, rate = sf.read(io.BytesIO(data), dtype="float32")
    assert rate == SAMPLE_RATE
    return samples


@pytest.mark.parametrize("codec", [Flac(), OPUS, Opus(bits_per_second=16_000, complexity=0)])
@pytest.mark.parametrize("num_samples", [160, 961, 16_000, 100_003, 480_000])
def test_as_many_samples_come_back_as_went_in(codec: Codec, num_samples: int) -> None:
    data = codec.encode(hum(num_samples))
    assert len(decoded(data)) == num_samples
    assert codec.encode(hum(num_samples)) == data
    assert len(data) <= codec.max_bytes_per_ms * num_samples / 16 + 8192


def test_flac_gives_the_samples_and_opus_nearly_and_not_late() -> None:
    samples = hum(3 * SAMPLE_RATE)
    np.testing.assert_array_equal(to_pcm16(decoded(Flac().encode(samples))), to_pcm16(samples))
    heard = decoded(OPUS.encode(samples))
    late = [float(np.dot(samples[400:-400], np.roll(heard, -shift)[400:-400])) for shift in range(-20, 21)]
    assert abs(int(np.argmax(late)) - 20) <= 1
    assert np.corrcoef(samples[400:-400], heard[400:-400])[0, 1] > 0.95


def test_an_opus_stream_has_a_fixed_serial_number_and_says_neither_time_nor_version() -> None:
    data = OPUS.encode(hum(SAMPLE_RATE))
    pages = [place for place in range(len(data)) if data.startswith(b"OggS", place)]
    assert {data[place:][SERIAL] for place in pages} == {b"\0\0\0\0"}
    assert data[pages[1] : pages[2]].endswith(b"OpusTags\x06\0\0\0ffmpeg\0\0\0\0")  # a vendor, and no comments


def test_white_noise_stays_within_the_peak_that_shards_are_planned_with() -> None:
    noise = (0.5 * np.random.default_rng(0).standard_normal(10 * SAMPLE_RATE)).astype(np.float32)
    assert len(OPUS.encode(noise)) < OPUS.max_bytes_per_ms * 10_000


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"bits_per_second": 24_000, "complexity": 11}, "opus complexity 11 does not exist; expected 0 to 10"),
        ({"bits_per_second": 24, "complexity": 5}, "opus bits_per_second 24 is none of libopus'; expected 6000"),
    ],
)
def test_settings_that_libopus_lacks_are_errors(settings: dict[str, int], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        Opus(**settings)
