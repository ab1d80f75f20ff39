"""Shows a stored run in the form that was asked for."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from harness.analysis import overload, overview, probes, review, studies
from harness.analysis.evaluation import evaluate
from harness.analysis.recommendation import recommend
from harness.errors import LackError, UsageError
from harness.model.counting import counted
from harness.model.record import (
    CapacityRecord,
    MeasurementRecord,
    OverloadRecord,
    RecommendationRecord,
    SingleRecord,
    StoredRun,
)
from harness.store import codec

if TYPE_CHECKING:
    from harness.report.charts.base import Chart

TEXTS = ("text", "markdown", "github", "json", "html")
TABLES = ("csv", "parquet")
PICTURES = ("png", "svg")
FORMATS = (*TEXTS, *TABLES, *PICTURES)
SUFFIXES = {".md": "markdown", ".json": "json", ".html": "html", ".txt": "text"}
PAGE = "report.html"
INDEX = "index.html"


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


def show(folder: Path, form: str, to: Path | None, *, details: bool = False, against: str | None = None) -> None:
    """Print a run, or write it to a file or its tables or pictures to a folder. `details`: more than one screen;
    `against`: the server with which all others of a matrix are compared."""
    if form in TABLES + PICTURES and to is None:
        raise UsageError(f"--format {form} needs a folder to write to", cure="give one with --to FOLDER")
    if form == "github" or not (folder / codec.RUN).exists():
        if against is not None:
            raise UsageError(
                f"--against {against} with several runs or --format github",
                cure="name the folder of one matrix, and another format",
            )
        show_all(folder, form, to)
        return
    stored = codec.read_run(folder)
    if against is not None:
        stored = review.against(stored, against)
    if form == "html":
        to = to or folder / PAGE
    if form in TABLES + PICTURES:
        assert to is not None
        with writing(to):
            paths = _files(stored, form, to)
        print(*paths, sep="\n")
    else:
        write(text(stored, form, details=details), to)


def show_all(folder: Path, form: str, to: Path | None) -> None:
    """Print what all runs below a folder say together: a comment for GitHub (of one run too), or a page of them."""
    from harness.report import github
    from harness.report.html import overall
    from harness.store import index

    folders = [folder] if (folder / codec.RUN).exists() else [each.folder for each in index.runs(folder)]
    if not folders:
        raise UsageError(f"{folder} holds no run", cure="name the folder of a run, or of several runs")
    if form not in ("github", "html"):
        raise UsageError(
            f"{folder} holds {counted(len(folders), 'run')}, and --format {form} shows one",
            cure="name one of them, or take --format html or github for all together",
        )
    if form == "html":
        to = to or folder / INDEX
        write(overall.render(folder, folders), to)
        return
    runs = [codec.read_run(each) for each in folders]
    write(github.comment(runs), to)
    for line in github.workflow_commands(runs):
        print(line, file=sys.stdout if to is not None else sys.stderr)


def write(content: str, to: Path | None) -> None:
    """Print it, or write it to a file and print its name."""
    if to is None:
        print(content, end="")
        return
    with writing(to):
        to.write_text(content, encoding="utf-8")
    print(to)


@contextmanager
def writing(to: Path) -> Iterator[None]:
    """LackError where it cannot be written."""
    try:
        yield
    except OSError as error:
        raise LackError(f"cannot write to {to}: {error.strerror}", cure="choose another place with --to") from error


def _files(stored: StoredRun, form: str, to: Path) -> list[Path]:
    if form in TABLES:
        from harness.report import rotation, tables

        if isinstance(stored.record, CapacityRecord):
            return tables.write_capacity(to, form, probes.capacity_of(stored))
        if isinstance(stored.record, OverloadRecord):
            return tables.write_overload(to, form, overload.overload_of(stored))
        turns = rotation.of_stored(stored)
        if turns is not None:
            return tables.write_rotation(to, form, turns, stored.restarts)
        return tables.write(to, form, review.review(stored), overview.evaluate_all(review.visits(stored)))
    from harness.report.charts import files

    charts = charts_of(stored)
    if not charts:
        raise UsageError(f"{stored.folder} has nothing to draw", cure="read why with: harness report")
    return files.write(to, form, charts)


def charts_of(stored: StoredRun) -> list[Chart]:
    """Every chart that a run has data for."""
    from harness.report import rotation
    from harness.report.charts import capacity, cells, ratios
    from harness.report.charts import rotation as turns

    if isinstance(stored.record, CapacityRecord):
        return list(capacity.of_capacity(probes.capacity_of(stored)))
    if isinstance(stored.record, OverloadRecord):
        return list(capacity.of_overload(stored, stored.record.plan))
    answer = rotation.of_stored(stored)
    if answer is not None:
        return list(turns.of_rotation(answer, stored.restarts))
    summary = review.review(stored)
    return [
        *cells.of_run(summary, overview.evaluate_all(review.visits(stored))),
        *(chart for _, _, chart in ratios.contrasts(summary)),
        *ratios.claims(studies.judge(stored).claims),
    ]


def text(stored: StoredRun, form: str, *, details: bool = True) -> str:
    """A run in one of TEXTS. `details`: text of more than one screen."""
    from harness.report import capacity, markdown, recommendation, rotation, single, view
    from harness.report import overload as overload_text
    from harness.report import text as terminal_text

    if form == "html":
        from harness.report.html import page

        return page.render(page.run_of(stored))
    if isinstance(stored.record, RecommendationRecord):
        advice = recommend(stored)
        if form == "json":
            return advice.model_dump_json() + "\n"
        return (
            markdown.of_answer(view.of_recommendation(advice))
            if form == "markdown"
            else recommendation.text(advice, None)
        )
    if isinstance(stored.record, CapacityRecord):
        found = probes.capacity_of(stored)
        if form == "json":
            return found.model_dump_json() + "\n"
        return markdown.of_answer(view.of_capacity(found)) if form == "markdown" else capacity.text(found, None)
    if isinstance(stored.record, OverloadRecord):
        seen = overload.overload_of(stored)
        if form == "json":
            return seen.model_dump_json() + "\n"
        return markdown.of_answer(view.of_overload(seen)) if form == "markdown" else overload_text.text(seen, None)
    answer = rotation.of_stored(stored)
    if answer is not None:
        if form == "json":
            return answer.model_dump_json() + "\n"
        return (
            markdown.of_answer(view.of_rotation(answer))
            if form == "markdown"
            else rotation.text(answer, None, details=details)
        )
    last = stored.visits[-1] if stored.visits else None
    if form == "text" and isinstance(stored.record, SingleRecord) and isinstance(last, MeasurementRecord):
        return single.text(last, evaluate(last), Path(stored.folder), "", details=details)
    summary = review.review(stored)
    if form == "json":
        return summary.model_dump_json() + "\n"
    study = studies.judge(stored)
    return (
        markdown.of_overview(summary, study)
        if form == "markdown"
        else terminal_text.text(summary, None if details else Path(stored.folder), study, details=details)
    )
