"""Pictures of a window: its spectrogram, and below it where the decoder looked for each token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from model.training.preview import Heard

DPI = 80


def draw(heard: Heard, path: Path) -> None:
    """Write a PNG of a window that comes with its attention; texts are in the table, fonts lack half the scripts."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    assert heard.attention_LS is not None
    figure = Figure(figsize=(10, 6), layout="constrained")
    FigureCanvasAgg(figure)
    axes: Any = figure.subplots(2, 1)
    axes[0].imshow(heard.mel_FT.numpy(), origin="lower", aspect="auto")
    axes[0].set(title=f"{heard.task} {heard.lang} {heard.segment_id}", ylabel="mel bin", xlabel="frame (10 ms)")
    axes[1].imshow(heard.attention_LS.numpy(), aspect="auto")
    axes[1].set(ylabel="token", xlabel="audio position (20 ms)")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=DPI)
