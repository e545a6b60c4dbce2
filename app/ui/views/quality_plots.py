"""The plots of the quality board, each with its figures as a table: readable without colour and sight.

A day inside its band is a circle, one outside a triangle; the band is an area with lines at its ends.
Nothing is fetched: the figures travel with the page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app.domain.quality import Tally, Times
from app.domain.quality_band import DAYS_OUTSIDE, FEWEST_BEFORE, DayShare, bands
from app.ui.words import say

_LIGHT, _DIM, _INK = "#e8edf2", "#8fa3b5", "#6cb6ff"
_OUTSIDE = "#ffb347"
# the two steps of `--scale` in css/page.css: words in a plot grow as those around it
_WORDS = {"expr": "13 * (windowSize()[0] >= 3400 ? 1.6 : windowSize()[0] >= 2300 ? 1.2 : 1)"}
_AXES: Mapping[str, Any] = {
    "background": "transparent",
    "padding": {"left": 5, "right": 14, "top": 5, "bottom": 5},
    "config": {
        "axis": {
            "labelColor": _LIGHT,
            "titleColor": _LIGHT,
            "titleFontSize": _WORDS,
            "titleFontWeight": "normal",
            "gridColor": "#2b3642",
            "labelFontSize": _WORDS,
        },
        "legend": {
            "labelColor": _LIGHT,
            "titleColor": _LIGHT,
            "labelFontSize": _WORDS,
            "symbolFillColor": _LIGHT,
        },
        "view": {"stroke": None},
    },
}


def show_days(days: Sequence[DayShare], *, key: str) -> None:
    """Show the share of discordant sentences of each day in its 95 % band."""
    around = bands(days)
    rows = [_day_row(day, band) for day, band in zip(days, around, strict=True)] if around else []
    if not rows:
        st.caption(
            say(
                "No band yet: it needs {sentences} AI sentences before the last {days} days.",
                sentences=FEWEST_BEFORE,
                days=DAYS_OUTSIDE,
            )
        )
        rows = [{"day": day.day.isoformat(), "share": 100 * day.share, "side": "inside"} for day in days]
    span = (days[-1].day - days[0].day).days if days else 0
    ticks = {"interval": "day", "step": 1 + span // 15}
    axis = {"format": "%d %b", "labelOverlap": True, "tickCount": ticks}
    x = {"field": "day", "type": "temporal", "title": None, "axis": axis}
    top = max([5.0, *(100 * day.share for day in days), *(row.get("high", 0.0) for row in rows)])
    y = {
        "type": "quantitative",
        "title": say("discordant %"),
        "axis": {"format": "~g"},
        "scale": {"domain": [0, min(100.0, top)], "nice": True},
    }
    points = {
        "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1},
        "encoding": {
            "x": x,
            "y": {"field": "share", **y},
            "shape": _by_side("circle", "triangle-up", "triangle-down", is_told=bool(around)),
            "color": _by_side(_INK, _OUTSIDE, _OUTSIDE, is_told=bool(around)),
        },
    }
    area = {
        "mark": {
            "type": "area",
            "interpolate": "step",
            "color": _DIM,
            "opacity": 0.25,
            "line": {"color": _DIM},
        },
        "encoding": {"x": x, "y": {"field": "low", **y}, "y2": {"field": "high"}},
    }
    lows = {
        "mark": {"type": "line", "interpolate": "step", "color": _DIM, "strokeWidth": 1},
        "encoding": {"x": x, "y": {"field": "low", **y}},
    }
    layers = [area, lows, points] if around else [points]
    _chart(rows, {"layer": layers, "height": 300}, key=key)
    with st.expander(say("The same as a table")):
        st.table([_day_line(day, row) for day, row in zip(days, rows, strict=True)])


def show_findings(findings: Mapping[str, Tally], *, key: str) -> None:
    """Show the discordance of each finding with its 95 % interval, the highest first."""
    ordered = sorted(findings.items(), key=lambda one: -one[1].discordance)
    rows = [
        {
            "name": say("{name} (n = {count})", name=name, count=counts.sentences),
            "share": 100 * counts.discordance,
            "low": 100 * counts.discordance_interval[0],
            "high": 100 * counts.discordance_interval[1],
        }
        for name, counts in ordered
    ]
    y = {"field": "name", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 320}}
    scale, ticks = {"domain": [0, 100]}, {"tickCount": 10}
    title = say("discordant %, with the 95 % interval")
    bars = {
        "mark": {"type": "rule", "color": _DIM, "strokeWidth": 3},
        "encoding": {
            "y": y,
            "x": {"field": "low", "type": "quantitative", "scale": scale, "title": title, "axis": ticks},
            "x2": {"field": "high"},
        },
    }
    points = {
        "mark": {"type": "point", "filled": True, "size": 90, "color": _INK, "opacity": 1},
        "encoding": {"y": y, "x": {"field": "share", "type": "quantitative", "title": title, "axis": ticks}},
    }
    _chart(rows, {"layer": [bars, points], "height": {"step": 30}}, key=key)


def show_months(months: Mapping[Any, Times], *, key: str) -> None:
    """Show how long signing took, by month: median and 90th percentile."""
    rows = [
        {"month": f"{month:%Y-%m}", "kind": kind, "minutes": seconds / 60}
        for month, times in months.items()
        for kind, seconds in (("median", times.median), ("p90", times.p90))
    ]
    marks = {
        "mark": {"type": "line", "point": {"filled": True, "size": 80}, "strokeWidth": 2},
        "encoding": {
            "x": {"field": "month", "type": "ordinal", "title": None, "axis": {"labelAngle": 0}},
            "y": {"field": "minutes", "type": "quantitative", "title": say("minutes to sign")},
            "shape": _by_kind({"range": ["circle", "square"]}),
            "strokeDash": _by_kind({"range": [[1, 0], [5, 4]]}),
            "color": _by_kind({"range": [_INK, _LIGHT]}),
        },
    }
    _chart(rows, {**marks, "height": 240}, key=key)


def _by_side(*marks: str, is_told: bool) -> dict[str, Any]:
    """Mark a day by where it lies; without a band there is nothing to tell in a legend."""
    labels = _labels(inside=say("inside the band"), above=say("above it"), below=say("below it"))
    return {
        "field": "side",
        "type": "nominal",
        "title": None,
        "scale": {"domain": ["inside", "above", "below"], "range": list(marks)},
        "legend": {"orient": "top", "labelExpr": labels} if is_told else None,
    }


def _by_kind(scale: Mapping[str, Any]) -> dict[str, Any]:
    labels = _labels(median=say("median"), p90=say("90th percentile"))
    return {
        "field": "kind",
        "type": "nominal",
        "title": None,
        "scale": {"domain": ["median", "p90"], **scale},
        "legend": {"orient": "top", "labelExpr": labels},
    }


def _labels(**words: str) -> str:
    """Return the expression that names the values of a legend in the reader's language."""
    quoted = {name: word.replace("\\", "").replace("'", "\\'") for name, word in words.items()}
    return " : ".join([*(f"datum.value === '{n}' ? '{w}'" for n, w in quoted.items()), "datum.value"])


def _chart(rows: Sequence[Mapping[str, Any]], marks: Mapping[str, Any], *, key: str) -> None:
    st.vega_lite_chart(
        {**_AXES, **marks, "data": {"values": list(rows)}}, width="stretch", theme=None, key=key
    )


def _day_row(day: DayShare, band: Any) -> dict[str, Any]:
    return {
        "day": day.day.isoformat(),
        "share": 100 * day.share,
        "low": 100 * band.low,
        "high": 100 * band.high,
        "side": band.side,
    }


def _day_line(day: DayShare, row: Mapping[str, Any]) -> dict[str, object]:
    sides = {"inside": say("inside the band"), "above": say("above it"), "below": say("below it")}
    line: dict[str, object] = {
        say("Day"): day.day.isoformat(),
        say("AI sentences"): day.sentences,
        say("Discordant"): day.discordant,
        say("Discordant %"): f"{100 * day.share:.1f}",
    }
    if "low" in row:
        line[say("95 % band")] = f"{row['low']:.1f} - {row['high']:.1f}"
        line[say("Where")] = sides[str(row["side"])]
    return line
