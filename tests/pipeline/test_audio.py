"""Audio is believed only once decoded; a sound stays where it was put, in every container."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline import audio, decoder
from pipeline.audio import SAMPLE_RATE, SAMPLES_PER_MS, DecodeError, Samples
from tests.faults.audio import NOT_AUDIO, ODD_AUDIO, BadAudio, encode, write

LIMIT_MS = 60_000
# container, codec, rate, and how much later than in the source the sound is
PLACES = [
    ("mp3", "libmp3lame", 44_100, 0.0),
    ("mp3", "libmp3lame", 16_000, 0.0),
    ("mp4", "aac", 44_100, 0.0),
    ("mp4", "aac", 16_000, 0.0),
    ("mp4", "alac", 44_100, 0.0),
    ("ogg", "libopus", 48_000, 0.0),
    ("ogg", "flac", 44_100, 0.0),
    ("webm", "libopus", 48_000, 0.0),
    ("flac", "flac", 44_100, 0.0),
    ("wav", "pcm_s16le", 8_000, 0.0),
    ("adts", "aac", 44_100, 1024 / 44.1),
]


def pulse(rate: int, duration_ms: int = 2000, at_ms: int = 1000) -> Samples:
    seconds = np.arange(rate * duration_ms // 1000) / rate - at_ms / 1000
    return (0.8 * np.exp(-((seconds / 0.002) ** 2)) * np.cos(2 * np.pi * 1500 * seconds)).astype(np.float32)


def place_ms(samples: Samples) -> float:
    match = np.correlate(samples, pulse(SAMPLE_RATE, 100, 50), "valid")
    return 50 + int(np.argmax(match)) / SAMPLES_PER_MS


@pytest.mark.parametrize(("container", "codec", "rate", "late_ms"), PLACES)
def test_a_sound_stays_in_its_place(container: str, codec: str, rate: int, late_ms: float) -> None:
    decoded = audio.decode_bytes(encode(pulse(rate)[None, :], container, codec, rate), LIMIT_MS)
    assert place_ms(decoded.samples) == pytest.approx(1000 + late_ms, abs=0.1)
    # AAC's filling can be cut off in mp4 only.
    assert 0 <= decoded.duration_ms - 2000 - late_ms <= (20 if late_ms else 0)


@pytest.mark.parametrize("bad", NOT_AUDIO, ids=lambda bad: bad.name)
def test_what_is_no_audio_says_why(bad: BadAudio) -> None:
    assert bad.error
    with pytest.raises(DecodeError, match=bad.error):
        decoder.decode(bad.make())


@pytest.mark.parametrize("odd", ODD_AUDIO, ids=lambda odd: odd.name)
def test_odd_audio_is_what_its_samples_are(odd: BadAudio) -> None:
    decoded = decoder.decode(odd.make())
    assert (decoded.channels, decoded.sample_rate) == (odd.channels, odd.sample_rate)
    assert decoded.duration_ms == pytest.approx(odd.duration_ms, abs=odd.within_ms)
    if odd.peak is not None:
        assert np.abs(decoded.samples).max() == pytest.approx(odd.peak, abs=0.01)


def test_what_follows_a_damaged_packet_keeps_its_time() -> None:
    data = encode(pulse(44_100, 10_000, 8000)[None, :], "mp3", "libmp3lame", 44_100)
    middle = len(data) // 2
    holed = audio.decode_bytes(data[:middle] + bytes(60) + data[middle + 60 :], LIMIT_MS)
    assert place_ms(holed.samples) == pytest.approx(8000, abs=0.1)


def test_what_follows_a_change_of_rate_keeps_its_time() -> None:
    parts = [encode(pulse(rate)[None, :], "ogg", "flac", rate) for rate in (44_100, 22_050)]
    decoded = audio.decode_bytes(b"".join(parts), LIMIT_MS)
    assert place_ms(decoded.samples[2000 * SAMPLES_PER_MS :]) == pytest.approx(1000, abs=0.1)


def test_lossless_containers_of_one_sound_have_one_pcm_hash() -> None:
    sound = pulse(SAMPLE_RATE)
    flac = audio.decode_bytes(audio.to_flac(sound), LIMIT_MS)
    wav = audio.decode_bytes(write(audio.to_pcm16(sound)[None, :], SAMPLE_RATE), LIMIT_MS)
    assert flac.pcm_sha256 == wav.pcm_sha256
    assert (flac.container, wav.container) == ("flac", "wav")
    assert np.array_equal(flac.pcm, audio.to_pcm16(sound))


def test_a_channel_that_carries_little_counts_like_the_others() -> None:
    sound = pulse(44_100)
    decoded = audio.decode_bytes(write(np.stack([sound, sound * np.float32(0.01)])), LIMIT_MS)
    assert np.abs(decoded.samples).max() == pytest.approx(0.8 * 1.01 / 2, abs=0.01)


def test_samples_outside_full_scale_and_nan_are_clipped_and_silenced() -> None:
    pcm = audio.to_pcm16(np.array([2.0, -2.0, np.nan, 0.5], dtype=np.float32))
    assert pcm.tolist() == [32767, -32768, 0, 16384]


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"ID3\x04", "mp3"),
        (b"ID3\x04\0\0\0\0\0\x02..fLaC", "flac"),
        (b"ID3\x04\0\0\0\0\0\0ID3\x04\0\0\0\0\0\0\xff\xf1\x50", "aac"),
        (b"\xff\xfb\x90", "mp3"),
        (b"\xff\xf1\x50", "aac"),
        (b"OggS", "ogg"),
        (b"fLaC", "flac"),
        (b"RIFF\0\0\0\0WAVE", "wav"),
        (b"RIFF\0\0\0\0AVI ", None),
        (b"\0\0\0\x20ftypM4A ", "mp4"),
        (b"\x1aE\xdf\xa3", "matroska"),
        (b"#EXTM3U\n", None),
        (b"ffconcat version 1.0", None),
        (b"<!DOCTYPE html>", None),
        (b"", None),
    ],
)
def test_a_container_is_named_by_its_magic_bytes(head: bytes, name: str | None) -> None:
    assert audio.sniff(head) == name


def test_tags_without_end_cost_no_time() -> None:
    assert audio.sniff(b"ID3\x04\0\0\0\0\0\0" * 100_000) == "mp3"


def test_a_recording_longer_than_the_limit_is_refused() -> None:
    with pytest.raises(DecodeError, match="longer than 1000 ms; raise fetch.max_duration_ms"):
        decoder.decode(audio.to_flac(pulse(SAMPLE_RATE)), 1000)


def test_a_codec_nobody_records_with_is_refused() -> None:
    with pytest.raises(DecodeError, match="the audio is gsm_ms; expected PCM or one of"):
        audio.decode_bytes(write(pulse(8000)[None, :], 8000, subtype="GSM610"), LIMIT_MS)
