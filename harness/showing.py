"""Shows a stored run in the form that was asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness import claims, review, store
from harness.errors import LackError, UsageError
from harness.judge import overview
from harness.judge.verdict import judge

if TYPE_CHECKING:
    from harness.report.charts import Chart

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
    stored = store.read_run(folder)
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


def _files(stored: store.StoredRun, form: str, to: Path) -> list[Path]:
    answer = store.read_answer(stored.folder)
    if form in TABLES:
        if answer is not None:
            raise UsageError(
                "a duet has no tables of cells: its two sides are compared with each other only",
                cure="take --format json, which holds every restart",
            )
        from harness.report import export

        return export.write(to, form, review.review(stored), overview.judge_all(review.visits(stored)))
    from harness.report import pictures

    drawn = charts_of(stored)
    if not drawn:
        raise UsageError(f"{stored.folder} has nothing to draw", cure="read why with: harness report")
    return pictures.write(to, form, drawn)


def charts_of(stored: store.StoredRun) -> list[Chart]:
    """Every chart that a run has data for."""
    from harness.report import charts, ratios

    answer = store.read_answer(stored.folder)
    if answer is not None:
        return list(ratios.restarts(answer))
    found = review.review(stored)
    return [
        *charts.of_run(found, overview.judge_all(review.visits(stored))),
        *(chart for _, _, chart in ratios.contrasts(found)),
        *ratios.duets(found.duets),
        *ratios.claims(claims.of(stored)),
    ]


def _text(stored: store.StoredRun, form: str) -> str:
    from harness.report import console, duet, markdown, matrix

    answer = store.read_answer(stored.folder)
    if form == "html":
        return _page(stored)
    if answer is not None:
        if form == "json":
            return answer.model_dump_json() + "\n"
        return markdown.of_duet(answer) if form == "markdown" else duet.text(answer, None)
    if form == "text" and "plan" not in stored.document and stored.visits and stored.visits[-1].facts is not None:
        facts = stored.visits[-1].facts
        return console.text(facts, judge(facts), stored.folder, "")
    found = review.review(stored)
    if form == "json":
        return found.model_dump_json() + "\n"
    if form == "markdown":
        return markdown.of_overview(found, claims.of(stored))
    return matrix.text(found, None, claims.of(stored))


def _page(stored: store.StoredRun) -> str:
    from harness.model.plan import Plan
    from harness.report import page
    from harness.report import plan as plan_text

    answer = store.read_answer(stored.folder)
    wanted = stored.document.get("plan")
    return page.render(
        page.Run(
            document=stored.document,
            overview=review.nothing() if answer is not None else review.review(stored),
            judged=[] if answer is not None else overview.judge_all(review.visits(stored)),
            claims=claims.of(stored),
            duet=answer,
            plan=None if wanted is None else "\n".join(plan_text.toml(Plan.model_validate(wanted))),
            protocols=sorted({visit.protocol for visit in stored.visits}),
            environments=store.environments(stored.document),
        )
    )
