"""`harness doctor`: what will hurt a measurement here."""

from __future__ import annotations

import json

import typer

from harness.cli import options as o


def doctor(
    python: o.Python = None,
    database_url: o.DatabaseUrl = None,
    k6: o.K6 = None,
    as_json: o.Json = False,
) -> None:
    """Check what this machine can measure, and how to fix what it cannot.

    $ harness doctor
    """
    from harness.database import connection
    from harness.experiments.doctor import examine
    from harness.report import doctor as text

    findings = []
    for finding in examine(python, database_url or connection.url_from_environment(), k6):
        findings.append(finding)
        if not as_json:
            text.show(finding)
    if as_json:
        print(json.dumps([finding.model_dump() for finding in findings], ensure_ascii=False))
    raise typer.Exit(5 if any(finding.state == "lack" for finding in findings) else 0)
