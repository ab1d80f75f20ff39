"""The charts of a run as files, for slides and articles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.report.charts.base import COLOURS, Chart

PIXELS_PER_POINT = 2.0
PAPER: dict[str, Any] = {
    "background": "white",
    "font": "sans-serif",
    "axis": {"gridOpacity": 0.5, "titleFontWeight": "normal", "labelColor": "#24292f", "titleColor": "#24292f"},
    "legend": {"orient": "bottom", "titleFontWeight": "normal", "columns": 5, "labelLimit": 300},
    "range": {"category": list(COLOURS)},
}


def write(folder: Path, form: str, charts: Sequence[Chart]) -> list[Path]:
    """Draw each chart into a file of a folder, as `png` or `svg`; returns the files."""
    import vl_convert

    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for chart in charts:
        spec = {"title": {"text": chart.title, "anchor": "start"}, "padding": 12, "config": PAPER, **chart.with_data()}
        path = folder / f"{chart.name}.{form}"
        if form == "png":
            path.write_bytes(vl_convert.vegalite_to_png(spec, scale=PIXELS_PER_POINT))
        else:
            path.write_text(vl_convert.vegalite_to_svg(spec), encoding="utf-8")
        paths.append(path)
    return paths
