"""What a chart is, and pieces of the language of Vega-Lite that charts are written in.

The same charts are drawn in the HTML report, as PNG and as SVG. Colours that are no data are left to the theme.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]
Spec = dict[str, Any]

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
PANEL_WIDTH, PANEL_HEIGHT = 250, 190
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6bb1", "#7f7f7f")
"""Okabe and Ito's palette, which colour-blind readers can tell apart, without its black and its yellow."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """One chart."""

    name: str
    """Short, for files and anchors."""
    title: str
    description: str
    """What it shows and how to read it, in a sentence."""
    rows: list[Row]
    spec: Spec
    """Of the rows, as the data set `rows`."""
    columns: tuple[tuple[str, str], ...]
    """(field, heading) of the table behind it."""
    own: tuple[str, ...] = ()
    """Fields of its rows that do not follow from their cell."""

    def with_data(self) -> Spec:
        """The specification with its data."""
        return {**self.spec, "datasets": {"rows": self.rows}}

    def own_rows(self) -> list[Row]:
        """The rows without what follows from their cell."""
        return [
            {name: value for name, value in row.items() if "cell" not in row or name == "cell" or name in self.own}
            for row in self.rows
        ]


def number(field: str, title: str | None = None, **more: Any) -> Spec:
    """A channel of numbers; without a title it takes that of the layers beside it."""
    return {"field": field, "type": "quantitative", **({} if title is None else {"title": title}), **more}


def name(field: str, title: str | None, **more: Any) -> Spec:
    """A channel of names."""
    return {"field": field, "type": "nominal", "title": title, **more}


def mark(kind: str, encoding: Spec, **more: Any) -> Spec:
    """A layer of marks."""
    return {"mark": {"type": kind, **more}, "encoding": encoding}


def tooltip(*fields: tuple[str, str, str]) -> list[Spec]:
    """The cell's name, and field, title and format of more; an empty format is of texts."""
    return [
        name("name", "configuration"),
        *(number(field, title, format=form) if form else name(field, title) for field, title, form in fields),
    ]


def panels(field: str, spec: Spec, *, independent: Sequence[str] = ("y",)) -> Spec:
    """Small multiples; the page wraps them to its width."""
    return {
        "$schema": SCHEMA,
        "data": {"name": "rows"},
        "facet": name(field, None, header={"labelLimit": PANEL_WIDTH}),
        "columns": 3,
        "spec": {"width": PANEL_WIDTH, "height": PANEL_HEIGHT, **spec},
        "resolve": {"scale": dict.fromkeys(independent, "independent")},
    }
