"""Pictures of evaluations as PNG: errors in noise, errors against hours; and the look that all pictures share."""

from __future__ import annotations

import io
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from model.evaluation.results import ALL, CLEAN

Row = Mapping[str, Any]
WIDTH_IN, HEIGHT_IN, DPI = 7.0, 4.2, 150
# Okabe and Ito, "Color universal design" (2008): told apart by everybody, the darker ones first.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MIN_LANGUAGES = 3  # for a line through them


def noise_chart(rows: Sequence[Row], metric: str, normaliser: str) -> bytes | None:
    """Draw the error over the ratio of speech to noise, a line for each noise, set and checkpoint; None without any."""
    lines: dict[str, list[tuple[float, Row]]] = {}
    for row in rows:
        is_chosen = row["metric"] == metric and row["normaliser"] == normaliser
        if is_chosen and row["condition"] != CLEAN and row["lang"] == ALL and row["source"] == ALL:
            kind, snr_db, _ = row["condition"].rsplit(" ", 2)
            name = f"{kind}, {row['eval_set']}, {row['checkpoint']}"
            lines.setdefault(name, []).append((float(snr_db), row))
    if not lines:
        return None
    with figure() as ((axes,), sink):
        for name, points in lines.items():
            ratios, found = zip(*sorted(points, key=lambda point: -point[0]), strict=True)
            axes.plot(ratios, [row["value"] for row in found], marker="o", label=name)
            edges = [(row["low"], row["high"]) for row in found]
            if all(low is not None for low, _ in edges):
                lows, highs = zip(*edges, strict=True)
                axes.fill_between(ratios, lows, highs, alpha=0.15)
        axes.invert_xaxis()
        axes.set(xlabel="speech to noise (dB)", ylabel=f"{metric} ({normaliser})")
        axes.legend(fontsize=8)
    return sink.getvalue()


def hours_chart(rows: Sequence[Row], hours: Mapping[str, float], metric: str, normaliser: str) -> bytes | None:
    """Draw each language's error over the hours it was trained on, both on log scales (Whisper, figure 3)."""
    spots = {
        row["lang"]: row["value"]
        for row in rows
        if row["metric"] == metric and row["normaliser"] == normaliser and row["condition"] == CLEAN
        if row["task"] == "transcribe" and row["source"] == ALL and hours.get(row["lang"]) and row["value"] > 0
    }
    if not spots:
        return None
    log_hours, log_errors = np.log2([hours[lang] for lang in spots]), np.log2(list(spots.values()))
    with figure() as ((axes,), sink):
        axes.scatter(2**log_hours, 2**log_errors)
        for lang, place, error in zip(spots, log_hours, log_errors, strict=True):
            axes.annotate(lang, (2**place, 2**error), xytext=(4, 4), textcoords="offset points")
        if len(spots) >= MIN_LANGUAGES and np.ptp(log_hours) > 0:
            slope, start = np.polyfit(log_hours, log_errors, 1)
            fit = float(np.corrcoef(log_hours, log_errors)[0, 1] ** 2)
            ends = np.array([log_hours.min(), log_hours.max()])
            axes.plot(2**ends, 2 ** (slope * ends + start), linestyle="--", label=f"slope {slope:.2f}, r² {fit:.2f}")
            axes.legend(fontsize=8)
        axes.set(xscale="log", yscale="log", xlabel="hours trained on", ylabel=f"{metric} ({normaliser})")
    return sink.getvalue()


@contextmanager
def figure(
    width_in: float = WIDTH_IN, height_in: float = HEIGHT_IN, panels: int = 1
) -> Generator[tuple[list[Any], io.BytesIO]]:
    """Give the axes of panels side by side to draw on, and write them to the buffer; no window, no global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn, sink = Figure(figsize=(width_in, height_in), layout="constrained"), io.BytesIO()
    FigureCanvasAgg(drawn)
    every = list(drawn.subplots(1, panels, sharex=True, sharey=True, squeeze=False)[0])
    for axes in every:
        axes.grid(alpha=0.3)
        axes.set_axisbelow(True)
        axes.set_prop_cycle(color=COLOURS)
        axes.spines[["top", "right"]].set_visible(False)
    yield every, sink
    # Without the date and version that matplotlib would write: the same numbers give the same bytes.
    drawn.savefig(sink, dpi=DPI, format="png", metadata={"Software": None})
