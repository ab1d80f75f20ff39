"""Shows a stored run in the form that was asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.analysis import overview, review, studies
from harness.analysis.evaluation import evaluate
from harness.errors import LackError, UsageError
from harness.model.record import MeasurementRecord, SingleRecord, StoredRun
from harness.store import codec

if TYPE_CHECKING:
    from harness.report.charts.cells import Chart

TEXTS = ("text", "markdown", "json", "html")
TABLES = ("csv", "parquet")
PICTURES = ("png", "svg")
FORMATS = (*TEXTS, *TABLES, *PICTURES)
SUFFIXES = {".md": "markdown", ".json": "json", ".html": "html", ".txt": "text"}
PAGE = "report.html"


def form_of(form: str | None, to: Path | None) -> str:
    """The format that was asked for, or else that of the file's name."""
    if form is not None:
        return form
    if to is None or not to.suffix:
        return "text"
    if to.suffix not in SUFFIXES:
        raise UsageError(
            f"--to {to}: no format has the ending {to.suffix}",
            cure=f"known: {', '.join(SUFFIXES)}; or say which one with --format",
        )
    return SUFFIXES[to.suffix]


def show(folder: Path, form: str, to: Path | None) -> None:
    """Print a run, or write it to a file or its tables or pictures to a folder."""
    if form in TABLES + PICTURES and to is None:
        raise UsageError(f"--format {form} needs a folder to write to", cure="give one with --to FOLDER")
    stored = codec.read_run(folder)
    if form == "html":
        to = to or folder / PAGE
    try:
        if form in TABLES + PICTURES:
            assert to is not None
            for path in _files(stored, form, to):
                print(path)
        elif to is None:
            print(_text(stored, form), end="")
        else:
            to.write_text(_text(stored, form), encoding="utf-8")
            print(to)
    except OSError as error:
        raise LackError(f"cannot write to {to}: {error.strerror}", cure="choose another place with --to") from error


def _files(stored: StoredRun, form: str, to: Path) -> list[Path]:
    answer = stored.answer
    if form in TABLES:
        if answer is not None:
            raise UsageError(
                "a duet has no tables of cells: its two sides are compared with each other only",
                cure="take --format json, which holds every restart",
            )
        from harness.report import export

        return export.write(to, form, review.review(stored), overview.evaluate_all(review.visits(stored)))
    from harness.report.charts import files as pictures

    drawn = charts_of(stored)
    if not drawn:
        raise UsageError(f"{stored.folder} has nothing to draw", cure="read why with: harness report")
    return pictures.write(to, form, drawn)


def charts_of(stored: StoredRun) -> list[Chart]:
    """Every chart that a run has data for."""
    from harness.report.charts import cells as charts
    from harness.report.charts import ratios

    answer = stored.answer
    if answer is not None:
        return list(ratios.restarts(answer))
    found = review.review(stored)
    return [
        *charts.of_run(found, overview.evaluate_all(review.visits(stored))),
        *(chart for _, _, chart in ratios.contrasts(found)),
        *ratios.duets(found.duets),
        *ratios.claims(studies.claims(stored)),
    ]


def _text(stored: StoredRun, form: str) -> str:
    from harness.report import console, duet, markdown, matrix

    answer = stored.answer
    if form == "html":
        return _page(stored)
    if answer is not None:
        if form == "json":
            return answer.model_dump_json() + "\n"
        return markdown.of_duet(answer) if form == "markdown" else duet.text(answer, None)
    last = stored.visits[-1] if stored.visits else None
    if form == "text" and isinstance(stored.record, SingleRecord) and isinstance(last, MeasurementRecord):
        return console.text(last, evaluate(last), Path(stored.folder), "")
    found = review.review(stored)
    if form == "json":
        return found.model_dump_json() + "\n"
    if form == "markdown":
        return markdown.of_overview(found, studies.claims(stored))
    return matrix.text(found, None, studies.claims(stored))


def _page(stored: StoredRun) -> str:
    from harness.report.html import page

    return page.render(page.Run(stored=stored, claims=studies.claims(stored)))
