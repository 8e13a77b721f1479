"""Recorded noises and rooms: what is drawn follows from the generator alone, and a bad folder or file is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from model.data import recorded
from model.data.augment import Augment, change_sound
from model.data.recorded import Recordings
from model.sample import Sample
from pipeline.errors import DataError, UserError
from tests.model.tiny_shards import windows, write_shards
from tests.model.tiny_training import LOADER, batch_of

RATE = 16_000


def tone(hertz: float, duration_s: float, rate: int = RATE) -> np.ndarray:
    return (0.1 * np.sin(2 * np.pi * hertz * np.arange(round(duration_s * rate)) / rate)).astype(np.float32)


def pitch(audio: np.ndarray) -> float:
    return float(np.abs(np.fft.rfft(audio)).argmax() * RATE / len(audio))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make sounds of three formats and rates, below one another, and what is none."""
    root = tmp_path / "sounds"
    (root / "deep/er").mkdir(parents=True)
    sf.write(root / "b.wav", tone(300, 1.0), RATE)
    sf.write(root / "deep/a.FLAC", np.stack([tone(500, 1.5, 44_100), tone(900, 1.5, 44_100)], axis=1), 44_100)
    sf.write(root / "deep/er/c.ogg", tone(700, 2.0, 8_000), 8_000)
    (root / "LICENSE").write_text("none")
    return root


def rooms(tmp_path: Path, name: str, response: np.ndarray) -> str:
    root = tmp_path / name
    root.mkdir()
    sf.write(root / "one.wav", response, RATE, subtype="FLOAT")
    return str(root)


def test_sounds_of_any_layout_rate_and_format_are_heard_at_their_pitch(folder: Path) -> None:
    sounds = Recordings(str(folder))
    assert [path.name for path in sounds.paths] == ["b.wav", "a.FLAC", "c.ogg"]
    heard = {round(pitch(sounds.noise(3 * RATE, np.random.default_rng(seed))), -1) for seed in range(30)}
    assert heard == {300, 500, 700}  # of two channels the first; a short sound begins again


def test_what_is_drawn_does_not_depend_on_what_was_read_before(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, "PIECE_S", 1)
    roomy, narrow = Recordings(str(folder)), Recordings(str(folder), kept_bytes=1)
    for seed in range(20):
        one = roomy.noise(5000, np.random.default_rng(seed))
        fresh = Recordings(str(folder)).noise(5000, np.random.default_rng(seed))
        np.testing.assert_array_equal(one, narrow.noise(5000, np.random.default_rng(seed)))
        np.testing.assert_array_equal(one, fresh)


def test_what_is_kept_in_memory_is_bounded(folder: Path) -> None:
    sounds = Recordings(str(folder), kept_bytes=200_000)  # all three together are 288,000
    for seed in range(30):
        sounds.noise(100, np.random.default_rng(seed))
        kept = sum(samples.nbytes for samples in sounds._kept.values())  # pyright: ignore[reportPrivateUsage]
        assert kept == sounds._used_bytes <= 200_000  # pyright: ignore[reportPrivateUsage]


def speech() -> Sample:
    return Sample(
        segment_id="a", recording_id="a", source="tones", kind="transcribe", lang="en", is_synthetic=False, text="one",
        text_lang="en", cues=(), prev_text=None, duration_ms=1000, tasks=("transcribe",), audio=tone(200, 1.0),
    )  # fmt: skip


def test_recorded_noise_has_the_ratio_asked_for(folder: Path) -> None:
    augment = Augment(noise_folder=str(folder), noise_folder_prob=1.0, noise_folder_snr_db=(12.0, 12.0))
    sample = speech()
    changed = change_sound(sample, augment, np.random.default_rng(0), max_ms=1500)
    assert changed.audio is not None and sample.audio is not None
    noise = changed.audio - sample.audio
    assert 10 * np.log10(np.mean(sample.audio**2) / np.mean(noise**2)) == pytest.approx(12.0, abs=0.1)


def test_a_recorded_room_leaves_the_direct_sound_where_it_was(tmp_path: Path) -> None:
    response = np.zeros(4000, dtype=np.float32)
    response[[700, 1700]] = (0.5, -0.25)  # 44 ms of flight, and one wall
    augment = Augment(room_folder=rooms(tmp_path, "rooms", response), room_folder_prob=1.0)
    click = np.zeros(RATE, dtype=np.float32)
    click[3000] = 1.0
    changed = change_sound(replace(speech(), audio=click), augment, np.random.default_rng(0), max_ms=1500)
    assert changed.audio is not None
    loud = np.flatnonzero(np.abs(changed.audio) > 0.1)
    assert loud.tolist() == [3000, 4000] and changed.audio[4000] == pytest.approx(-0.5 * changed.audio[3000], abs=1e-5)


def test_recorded_and_made_up_sounds_take_turns(folder: Path) -> None:
    both = Augment(noise_folder=str(folder), noise_folder_prob=0.5, noise_prob=1.0)
    alone = replace(both, noise_prob=0.0)
    sample, num_alike, num_plain = speech(), 0, 0
    for seed in range(60):
        one, other = (change_sound(sample, a, np.random.default_rng(seed), max_ms=1500).audio for a in (both, alone))
        num_alike += np.array_equal(one, other)
        num_plain += np.array_equal(other, sample.audio)
    assert num_alike + num_plain == 60 and num_plain == pytest.approx(30, abs=12)


def test_a_batch_is_the_same_wherever_a_run_resumes(tmp_path: Path, folder: Path) -> None:
    shards = write_shards(tmp_path / "shards", windows())
    heard = Augment(noise_folder=str(folder), noise_folder_prob=0.7, room_folder=str(folder), room_folder_prob=0.5)
    config = replace(LOADER, augment=heard)
    through = [batch_of(shards, index, config=config).audio_BN for index in range(4)]
    recorded.recordings.cache_clear()  # as in a new process
    assert np.array_equal(batch_of(shards, 3, config=config).audio_BN, through[3])
    plain = batch_of(shards, 3, config=replace(LOADER, augment=Augment())).audio_BN
    assert not np.array_equal(plain, through[3])


def test_a_wrong_folder_is_named_before_any_work(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(UserError, match="folder .*/none does not exist; expected one of recorded sounds"):
        Augment(noise_folder=str(tmp_path / "none"), noise_folder_prob=0.5)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"folder .*/empty holds no sound; expected files of \['.flac', .*at any depth"):
        Augment(room_folder=str(tmp_path / "empty"), room_folder_prob=0.5)
    with pytest.raises(UserError, match="augment.noise_folder .* with noise_folder_prob 0.0 would never be heard"):
        Augment(noise_folder=str(folder))
    with pytest.raises(UserError, match="augment.room_folder None with room_folder_prob 0.2 would never be heard"):
        Augment(room_folder_prob=0.2)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    whole = tmp_path / "whole.flac"
    sf.write(whole, np.random.default_rng(0).uniform(-0.5, 0.5, RATE), RATE)
    for name, content, cause in (
        ("text.wav", b"RIFF no sound", "cannot be read"),
        ("cut.flac", whole.read_bytes()[:9000], "cannot be read"),
        ("empty.ogg", b"", "cannot be read"),
    ):
        root = tmp_path / name.partition(".")[0]
        root.mkdir()
        (root / name).write_bytes(content)
        with pytest.raises(DataError, match=rf"sound .*/{name} {cause}: .*; mend or remove it"):
            Recordings(str(root)).noise(100, np.random.default_rng(0))
    nowhere = rooms(tmp_path, "numbers", np.full(10, np.nan, dtype=np.float32))
    with pytest.raises(DataError, match="it holds samples that are no numbers"):
        Recordings(nowhere).noise(100, np.random.default_rng(0))


def test_what_is_no_room_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match="room .*one.wav lasts 11 s or more; expected an impulse response of at most 10"
    ):
        Recordings(rooms(tmp_path, "long", tone(100, 11.0))).room(np.random.default_rng(0))
    with pytest.raises(DataError, match="room .*one.wav is silent; expected an impulse response"):
        Recordings(rooms(tmp_path, "silent", np.zeros(100, dtype=np.float32))).room(np.random.default_rng(0))
