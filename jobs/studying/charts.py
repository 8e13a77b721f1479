"""Pictures of a study as PNG: learning curves, errors over hours, groups beside each other, what steps change.

Colours are Okabe and Ito's, or one hue from light to dark where there is an order: both are told apart by everybody.
A corpus has the same line and marker in all pictures, the judging one a full line and a filled marker.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jobs.evaluating.charts import COLOURS, figure
from jobs.studying.curves import Curves
from jobs.studying.findings import LOSS, Effect, Finding
from jobs.studying.settings import Group, Settings

LABELS = {
    "wer": "word error rate",
    "cer": "character error rate",
    "inserted": "inserted words per word said",
    "loss": "loss (nats per character)",
}
LINES, MARKERS = ("-", "--", ":", "-."), ("o", "s", "^", "D")
ROW_IN = 0.3  # height of a line of a forest of values
AXIS_COLOURS = {"corpus": COLOURS[1], "size": COLOURS[0], "share": COLOURS[2]}
MIN_HOURS = 2.0  # below, minutes are easier to read
NARROW = 5.0  # times from the least to the most value, up to which a log scale has room for every digit
MAX_RATE = 1.3  # of errors a word, to which curves are drawn
NEAR = 1.15  # times; nearer ticks would write over each other
MIN_POINTS = 3  # for the slope of a line through them
Hours = Mapping[tuple[str, float], float]


def curves_chart(settings: Settings, curves: Curves, hours: Hours, measure: str) -> bytes:
    """Draw a measure of held-out speech over the steps, a panel for each size; bands reach over the seeds."""
    sizes = [size for size in settings.sizes if any(group.size == size for group in curves)]
    colours = _ordered([share for share in settings.shares if any(group.share == share for group in curves)])
    with figure(width_in=3.4 * len(sizes) + 1.8, height_in=3.6, panels=len(sizes)) as (panels, sink):
        for axes, size in zip(panels, sizes, strict=True):
            axes.set(title=size, xlabel="training steps")
        for group, points in curves.items():
            axes = panels[sizes.index(group.size)]
            steps, style = [point.step for point in points], _style(settings, group, colours[group.share])
            axes.plot(steps, [point.middle for point in points], label=_data(group, hours), ms=3.5, **style)
            lows, highs = [point.least for point in points], [point.most for point in points]
            axes.fill_between(steps, lows, highs, color=style["color"], alpha=0.18, linewidth=0)
        panels[0].set(xlim=(0, None), ylabel=f"held-out {LABELS.get(measure, measure)}")
        if measure == LOSS:  # falls steeply before it flattens
            panels[0].set(yscale="log")
            _tick(panels[0].yaxis, None)
        else:  # what babbles before it learns would press the rest flat
            panels[0].set(ylim=(0, min(panels[0].get_ylim()[1], MAX_RATE)))
        known = {label: line for axes in panels for line, label in zip(*axes.get_legend_handles_labels(), strict=True)}
        _legend(panels[-1], list(known.values()), list(known))
    return sink.getvalue()


def hours_chart(settings: Settings, found: Sequence[Finding], hours: Hours) -> bytes:
    """Draw a measure over the hours trained on, both on log scales, a colour for each size (Whisper, figure 3)."""
    factor, unit = (60.0, "minutes") if max(hours.values()) < MIN_HOURS else (1.0, "hours")
    colours = dict(zip(settings.sizes, itertools.cycle(COLOURS), strict=False))
    lines = dict.fromkeys((one.group.size, one.group.corpus) for one in found)
    with figure(width_in=7.4) as ((axes,), sink):
        for size, corpus in lines:
            mine = [one for one in found if (one.group.size, one.group.corpus) == (size, corpus)]
            mine.sort(key=lambda one: one.group.share)
            places = [hours[corpus, one.group.share] * factor for one in mine]
            style = _style(settings, mine[0].group, colours[size])
            values = [one.pooled.value for one in mine]
            label = f"{size}, {corpus}{_slope(places, values)}"
            axes.errorbar(places, values, yerr=_reach(mine), capsize=3, ms=6, label=label, **style)
            for place, one in zip(places, mine, strict=True):
                _seeds(axes, one, place, True, colours[size])
        axes.set(xscale="log", yscale="log", xlabel=f"transcribed speech trained on ({unit})")
        axes.set(ylabel=LABELS.get(found[0].metric, found[0].metric))
        _tick(axes.xaxis, [value * factor for value in hours.values()])
        _tick(axes.yaxis, None)
        _legend(axes)
    return sink.getvalue()


def spots_chart(settings: Settings, found: Sequence[Finding]) -> bytes:
    """Draw one measure of all groups below each other: the pooled value with its interval, seeds as dots."""
    rows = list(dict.fromkeys((one.group.size, one.group.share) for one in found))
    corpora = [corpus for corpus in settings.corpora if any(one.group.corpus == corpus for one in found)]
    height_in = 1.1 + ROW_IN * len(rows) * len(corpora)
    with figure(width_in=7.4, height_in=height_in) as ((axes,), sink):
        for number, corpus in enumerate(corpora):
            mine = [one for one in found if one.group.corpus == corpus]
            shift = (number - (len(corpora) - 1) / 2) * 0.34
            places = [rows.index((one.group.size, one.group.share)) + shift for one in mine]
            colour = COLOURS[number % len(COLOURS)]
            style = _style(settings, mine[0].group, colour) | {"linestyle": "none"}
            values = [one.pooled.value for one in mine]
            axes.errorbar(values, places, xerr=_reach(mine), capsize=3, ms=6, label=corpus, **style)
            for place, one in zip(places, mine, strict=True):
                _seeds(axes, one, place, False, colour)
        axes.set_yticks(range(len(rows)), [f"{size}, {share:.0%} of the data" for size, share in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set(xlabel=LABELS.get(found[0].metric, found[0].metric))
        _legend(axes)
    return sink.getvalue()


def effects_chart(found: Sequence[Effect], names: Sequence[str]) -> bytes:
    """Draw what steps change, an interval each, against no change; a colour for each axis, interactions open."""
    with figure(width_in=8.2, height_in=1.0 + ROW_IN * len(found)) as ((axes,), sink):
        axes.axvline(0.0, color="0.4", linewidth=1)
        for place, one in enumerate(found):
            value, low, high = one.change.value, one.change.low, one.change.high
            reach = [[0.0], [0.0]] if low is None or high is None else [[value - low], [high - value]]
            colour = COLOURS[-1] if one.across else AXIS_COLOURS[one.step.axis]
            fill = "white" if one.across else colour
            axes.errorbar([value], [place], xerr=reach, fmt="o", capsize=3, color=colour, markerfacecolor=fill)
        axes.set_yticks(range(len(found)), names)
        axes.set_ylim(len(found) - 0.5, -0.5)
        axes.set(xlabel=f"change of the {LABELS.get(found[0].metric, found[0].metric)}")
    return sink.getvalue()


def _style(settings: Settings, group: Group, colour: Any) -> dict[str, Any]:
    number = list(settings.corpora).index(group.corpus)
    fill = colour if number == 0 else "white"
    return {
        "color": colour,
        "linestyle": LINES[number % len(LINES)],
        "marker": MARKERS[number % len(MARKERS)],
        "markerfacecolor": fill,
    }


def _ordered(values: Sequence[float]) -> dict[float, Any]:
    """Return a colour for each value, from light to dark."""
    from matplotlib import colormaps

    shades = colormaps["viridis_r"](np.linspace(0.25, 0.95, len(values))) if len(values) > 1 else [COLOURS[0]]
    return dict(zip(sorted(values), shades, strict=True))


def _seeds(axes: Any, one: Finding, place: float, is_upright: bool, colour: str) -> None:
    """Draw a dot for each seed where there are several, along the value's bar."""
    values = [*one.by_seed.values()] if len(one.by_seed) > 1 else []
    places = [place] * len(values)
    xs, ys = (places, values) if is_upright else (values, places)
    axes.scatter(xs, ys, s=10, color=colour, alpha=0.5, zorder=3)


def _reach(found: Sequence[Finding]) -> Any:
    edges = [(one.pooled.value, one.pooled.low, one.pooled.high) for one in found]
    lows = [value if low is None else low for value, low, _ in edges]
    highs = [value if high is None else high for value, _, high in edges]
    values = np.array([value for value, *_ in edges])
    return np.maximum([values - lows, highs - values], 0)


def _slope(places: Sequence[float], values: Sequence[float]) -> str:
    """Say how steep a line is on log scales: -1 halves the value where the data doubles."""
    if len(places) < MIN_POINTS:
        return ""
    return f"\n(slope {np.polyfit(np.log(places), np.log(values), 1)[0]:.2f})"


def _data(group: Group, hours: Hours) -> str:
    return f"{group.corpus}, {hours[group.corpus, group.share] * 60:.1f} min"


def _legend(axes: Any, *shown: Sequence[Any]) -> None:
    axes.legend(*shown, fontsize=9, loc="upper left", bbox_to_anchor=(1.01, 1.02), frameon=False)


def _tick(axis: Any, places: Sequence[float] | None) -> None:
    """Write plain numbers on a log scale: at these places where they are not too near, or at round ones."""
    from matplotlib import ticker

    if places is not None:
        shown: list[float] = []
        for place in sorted(places):
            if not shown or place > shown[-1] * NEAR:
                shown.append(place)
        axis.set_major_locator(ticker.FixedLocator(shown))
        axis.set_minor_locator(ticker.NullLocator())
    else:
        low, high = axis.get_view_interval()
        axis.set_major_locator(ticker.LogLocator(subs=range(1, 10) if high < low * NARROW else (1, 2, 3, 5, 7)))
        axis.set_minor_formatter(ticker.NullFormatter())
    axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:.3g}"))
