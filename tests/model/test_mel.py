"""Log-mel: OpenAI's numbers for each window, whatever shares its batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from model import mel as mel_module
from model.mel import frames, log_mel, mel_filters
from pipeline.errors import DataError

CPU = torch.device("cpu")
GOLDEN = Path(__file__).parent / "golden"


def waveform(num_samples: int) -> Tensor:
    """Return a rising chirp in bursts over a floor of pseudo-noise."""
    seconds = torch.arange(num_samples, dtype=torch.float64) / 16_000
    noise = ((torch.arange(num_samples) * 1_103_515_245 + 12_345) % 65_536).double() / 65_536 - 0.5
    chirp = (2 * torch.pi * (200 + 1500 * seconds) * seconds).sin() * (seconds % 0.25 < 0.18)
    return (0.3 * chirp + 0.01 * noise).float()


def test_80_mels_are_openais() -> None:
    # log_mel_80.npy is log_mel_spectrogram(waveform(16_000), 80) of openai-whisper 20250625.
    golden = torch.from_numpy(np.load(GOLDEN / "log_mel_80.npy"))
    torch.testing.assert_close(log_mel(waveform(16_000)[None], 80)[0], golden, atol=2e-5, rtol=0)


def test_128_mels_are_openais() -> None:
    mel = log_mel(waveform(16_000)[None], 128)[0]
    values = [mel.mean(), mel.std(correction=0), mel[5, 10], mel[64, 50], mel[127, 99]]
    assert [value.item() for value in values] == pytest.approx(
        [-0.21318, 0.37843, -0.31268, 1.17759, -0.39947], abs=2e-5
    )


@pytest.mark.parametrize(
    ("n_mels", "total", "largest", "first", "peak_bin"),
    [(80, 1.999024, 0.0258807, 0.0248626, 43), (128, 3.190986, 0.0416818, 0.0123740, 43)],
)
def test_filters_are_librosas(n_mels: int, total: float, largest: float, first: float, peak_bin: int) -> None:
    filters = mel_filters(n_mels, CPU)
    assert filters.shape == (n_mels, 201)
    assert filters.sum().item() == pytest.approx(total, abs=1e-5)
    assert filters.max().item() == pytest.approx(largest, abs=1e-6)
    assert filters[0, 1].item() == pytest.approx(first, abs=1e-6)
    assert filters[n_mels // 2].argmax().item() == peak_bin


@pytest.mark.parametrize("num_samples", [201, 1_000, 3_199, 3_200, 3_201, 7_999, 8_000])
def test_a_padded_row_equals_the_row_computed_alone(num_samples: int) -> None:
    batch = torch.stack([waveform(8_000), 0.01 * waveform(8_000), waveform(8_000)])
    batch[1, num_samples:] = 9.0  # what lies beyond a row's length must not matter
    mel = log_mel(batch, 80, torch.tensor([8_000, num_samples, 500]))[1]
    alone = log_mel(batch[1:2, :num_samples], 80)[0]
    assert alone.shape[1] == frames(num_samples)
    torch.testing.assert_close(mel[:, : alone.shape[1]], alone, atol=1e-6, rtol=0)
    assert not mel[:, alone.shape[1] :].any()


def test_long_windows_are_computed_in_parts_that_join(monkeypatch: pytest.MonkeyPatch) -> None:
    audio = waveform(16_000 * 7)[None]
    in_parts = log_mel(audio, 80)
    monkeypatch.setattr(mel_module, "CPU_FRAMES", 10_000)
    torch.testing.assert_close(in_parts, log_mel(audio, 80), atol=1e-6, rtol=0)


def test_a_loud_row_does_not_raise_the_floor_of_a_quiet_one() -> None:
    quiet = 1e-4 * waveform(4_000)
    both = log_mel(torch.stack([quiet, 1e4 * quiet]), 80)
    assert torch.equal(both[:1], log_mel(quiet[None], 80))


def test_silence_is_the_lowest_power() -> None:
    assert log_mel(torch.zeros(1, 1_600), 80).unique().tolist() == [pytest.approx(-1.5)]


def test_autocast_does_not_coarsen_features() -> None:
    audio = waveform(4_000)[None]
    with torch.autocast("cpu", torch.bfloat16):
        mel = log_mel(audio, 80)
    assert torch.equal(mel, log_mel(audio, 80))


def test_the_batch_is_not_changed() -> None:
    audio = waveform(1_600)[None]
    before = audio.clone()
    log_mel(audio, 80, torch.tensor([900]))
    assert torch.equal(audio, before)


def test_audio_too_short_to_mirror_is_refused() -> None:
    with pytest.raises(DataError, match="audio of 200 samples is too short; a mel window needs at least 201; drop"):
        log_mel(torch.zeros(1, 200), 80)
