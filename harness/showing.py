"""Shows a stored run in the form that was asked for."""

from __future__ import annotations

from pathlib import Path

from harness import claims, review, store
from harness.errors import LackError, UsageError
from harness.judge import overview
from harness.judge.verdict import judge

FORMATS = ("text", "markdown", "json", "csv", "parquet")


def show(folder: Path, form: str, to: Path | None) -> None:
    """Print a run, or write its tables to a folder."""
    if (form in ("csv", "parquet")) != (to is not None):
        raise UsageError(
            f"--format {form} {'and --to go not together' if to else 'needs a folder to write to'}",
            cure="give --to FOLDER with --format csv or parquet, and only with them",
        )
    stored = store.read_run(folder)
    answer = store.read_answer(folder)
    if answer is not None and to is None:
        from harness.report import duet, markdown

        if form == "json":
            print(answer.model_dump_json())
        elif form == "markdown":
            print(markdown.of_duet(answer), end="")
        else:
            duet.show(answer, None)
    elif form == "text" and "plan" not in stored.document and stored.visits and stored.visits[-1].facts is not None:
        from harness.report import console

        facts = stored.visits[-1].facts
        console.show(facts, judge(facts), folder, "")
    else:
        _whole(stored, form, to)


def _whole(stored: store.StoredRun, form: str, to: Path | None) -> None:
    found = review.review(stored)
    if to is not None:
        from harness.report import export

        try:
            for path in export.write(to, form, found, overview.judge_all(review.visits(stored))):
                print(path)
        except OSError as error:
            raise LackError(f"cannot write to {to}: {error.strerror}", cure="choose another folder") from error
    elif form == "json":
        print(found.model_dump_json())
    elif form == "markdown":
        from harness.report import markdown

        print(markdown.of_overview(found, claims.of(stored)), end="")
    else:
        from harness.report import matrix

        matrix.show(found, None, claims.of(stored))
