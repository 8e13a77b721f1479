"""What is heard is what was drawn, in bytes that are bounded, and what cannot be heard says why."""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from PIL import Image

from pipeline import store
from pipeline.audio import SAMPLE_RATE, DecodeError, Pcm, to_flac
from pipeline.report import clips, spectrogram
from pipeline.report.clips import MAX_CLIP_MS, Clip, cut, furnish
from pipeline.report.samples import Window
from pipeline.report.summary import summarise
from tests.pipeline.report.run import run_of, tables_of_run


def tone(seconds: float, hz: float = 440.0) -> Pcm:
    times = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (8000 * np.sin(2 * np.pi * hz * times)).astype(np.int16)


@pytest.fixture(scope="module")
def drawn() -> dict[str, tuple[Window, ...]]:
    return dict(summarise(run_of(tables_of_run())).drawn)


@pytest.fixture(scope="module")
def window(drawn: dict[str, tuple[Window, ...]]) -> Window:
    return drawn["fast"][0]


def content(address: str) -> bytes:
    return base64.b64decode(address.partition(",")[2])


def picture(clip: Clip) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content(clip.picture))).convert("L"))


def test_a_clip_is_its_windows_beginning_as_sound_and_picture(window: Window) -> None:
    clip = cut(replace(window, start_ms=1000, end_ms=3000), lambda _: np.concatenate([tone(1, 300), tone(4, 3000)]))
    assert (clip.clip_ms, clip.silence) == (2000, "")
    samples, rate = sf.read(io.BytesIO(content(clip.audio)))
    assert rate == SAMPLE_RATE and len(samples) == pytest.approx(2 * SAMPLE_RATE, abs=3000)
    peak = np.argmax(np.abs(np.fft.rfft(samples))) * rate / len(samples)
    assert peak == pytest.approx(3000, abs=20)
    rows = picture(clip).sum(axis=1)
    assert rows.shape == (spectrogram.HEIGHT,)
    assert (spectrogram.HEIGHT - 1 - rows.argmax()) / spectrogram.HEIGHT == pytest.approx(
        (3000 / 8000) ** (2 / 3), abs=0.03
    )


def test_a_long_window_is_cut_off(window: Window) -> None:
    assert cut(replace(window, start_ms=0, end_ms=30_000), lambda _: tone(30)).clip_ms == MAX_CLIP_MS


def test_silence_and_a_few_samples_have_pictures_too() -> None:
    for pcm in (np.zeros(16_000, np.int16), tone(0.01)):
        image = Image.open(io.BytesIO(spectrogram.spectrogram_png(pcm)))
        assert image.size == (spectrogram.WIDTH, spectrogram.HEIGHT)


def test_missing_or_undecodable_or_short_audio_is_said(window: Window) -> None:
    def missing(sha256: str) -> Pcm:
        raise FileNotFoundError(sha256)

    def broken(sha256: str) -> Pcm:
        raise DecodeError("the decoder died on it")

    said = [cut(window, load).silence for load in (missing, broken, lambda _: tone(0.5))]
    assert said == ["its audio is not stored any more", "the decoder died on it", "its audio ends before it"]


def test_bytes_go_round_the_groups_and_are_bounded(drawn: dict[str, tuple[Window, ...]]) -> None:
    sound = tone(70)
    rich = furnish(drawn, lambda _: sound, 10_000_000)
    assert len({clip.window.group for clip in rich.clips}) == len(drawn)
    size = max(clip.num_bytes for clip in rich.clips)
    poor = furnish(drawn, lambda _: sound, 2 * size)
    assert 0 < sum(clip.num_bytes for clip in poor.clips) <= 2 * size
    assert [clip.window.group for clip in poor.clips][:2] == list(drawn)[:2]
    assert poor.num_drawn == sum(map(len, drawn.values()))
    assert furnish(drawn, lambda _: sound, 0).clips == ()


def test_audio_is_read_from_the_blobs_and_a_recording_is_decoded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha256 = store.put_blob(str(tmp_path), to_flac(tone(1).astype(np.float32) / 32_768))
    decoded: list[int] = []
    real = clips.decoder.decode

    def counted(data: bytes, max_duration_ms: int) -> object:
        decoded.append(max_duration_ms)
        return real(data, max_duration_ms)

    monkeypatch.setattr(clips.decoder, "decode", counted)
    load = clips.loader(str(tmp_path))
    assert len(load(sha256)) == len(load(sha256)) == SAMPLE_RATE
    assert decoded == [clips.MAX_RECORDING_MS]
    with pytest.raises(FileNotFoundError):
        load("0" * 64)
