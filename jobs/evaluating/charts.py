"""Pictures of evaluations and studies as PNG: errors in noise, errors against hours, one model beside another."""

from __future__ import annotations

import io
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from model.evaluation.results import ALL, CLEAN

Row = Mapping[str, Any]
WIDTH_IN, HEIGHT_IN, DPI = 7.0, 4.2, 110
MIN_LANGUAGES = 3  # for a line through them


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A named value with its interval."""

    name: str
    value: float
    low: float | None
    high: float | None


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
    with _figure() as (axes, sink):
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
    with _figure() as (axes, sink):
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


def spots_chart(groups: Mapping[str, Sequence[Spot]], label: str) -> bytes:
    """Draw values with their intervals, a colour for each group, one line for each name."""
    names = list(dict.fromkeys(spot.name for spots in groups.values() for spot in spots))
    with _figure(height_in=max(2.2, 0.4 * len(names) * max(1, len(groups)) + 1)) as (axes, sink):
        for number, (group, spots) in enumerate(groups.items()):
            shift = (number - (len(groups) - 1) / 2) * 0.25
            places = [names.index(spot.name) + shift for spot in spots]
            values = np.array([spot.value for spot in spots])
            lows = np.array([spot.value if spot.low is None else spot.low for spot in spots])
            highs = np.array([spot.value if spot.high is None else spot.high for spot in spots])
            reach = np.maximum([values - lows, highs - values], 0)
            axes.errorbar(values, places, xerr=reach, fmt="o", capsize=3, label=group)
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.set(xlabel=label)
        axes.legend(fontsize=8)
    return sink.getvalue()


def curve_chart(curves: Mapping[str, Mapping[float, Sequence[float]]], labels: tuple[str, str]) -> bytes:
    """Draw curves of one or more runs each: a line through their means, a band from least to most."""
    with _figure() as (axes, sink):
        for name, points in curves.items():
            places = sorted(points)
            axes.plot(places, [float(np.mean(points[place])) for place in places], marker="o", label=name)
            lows, highs = zip(*((min(points[place]), max(points[place])) for place in places), strict=True)
            axes.fill_between(places, lows, highs, alpha=0.15)
        axes.set(xlabel=labels[0], ylabel=labels[1])
        axes.legend(fontsize=8)
    return sink.getvalue()


@contextmanager
def _figure(height_in: float = HEIGHT_IN) -> Generator[tuple[Any, io.BytesIO]]:
    """Give axes to draw on, and write them to the buffer; no window system, no global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure, sink = Figure(figsize=(WIDTH_IN, height_in), layout="constrained"), io.BytesIO()
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.grid(alpha=0.3)
    yield axes, sink
    # Without the date and version that matplotlib would write: the same numbers give the same bytes.
    figure.savefig(sink, dpi=DPI, format="png", metadata={"Software": None})
