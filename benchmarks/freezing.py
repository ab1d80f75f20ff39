"""What do full garbage collections of Python cost an application, and what is left of that after `gc.freeze()`?

    .venv/bin/python benchmarks/freezing.py [--times 5] [--out FILE]

An application whose requests sleep in threads is offered 500 requests per second by chance, as it is and with all
frozen that was made at its start, in turn, `times` times. Told is how often and for how long collections stopped the
worker, p99, and CPU time per request; the ratios of the latter two with 95 % intervals over pairs. Needs two cores and
a quiet machine. Six minutes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from running import REFERENCE, Row, document, messages, ratio, run, write_document

from harness import api

TIMING = api.Timing(warmup_seconds=2.0, window_seconds=25.0)
APPLICATIONS = Path(__file__).resolve().parent / "applications"
SLEEP_MS, RATE = 50, 500.0


def cell(target: str) -> api.ResolvedCell:
    """One of the two, under uvicorn with one worker."""
    application = api.ApplicationOptions(
        app=f"catalogue:{target}", app_dir=str(APPLICATIONS), path=[f"/items?ms={SLEEP_MS}"]
    )
    return api.resolve(api.CellSpec(server="uvicorn", rate=RATE), application)


def measured(target: str) -> Row:
    """One window of it."""
    record = run(cell(target), TIMING)
    collector = record.evidence.collector if record.evidence else None
    return {
        "target": target,
        "verdict": record.verdict,
        "reasons": messages(record),
        "p50_ms": record.latency_ms.p50,
        "p99_ms": record.latency_ms.p99,
        "max_ms": record.latency_ms.max,
        "cpu_us_per_request": record.server.cpu_us_per_request,
        "collector": None if collector is None else collector.model_dump(),
        "notes": [note.message for note in record.notes if "garbage" in note.message],
    }


def main() -> None:
    """Measure both in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5, help="pairs")
    parser.add_argument("--out", type=Path, default=REFERENCE / "freezing.json")
    arguments = parser.parse_args()
    rows: list[Row] = []
    for number in range(arguments.times):
        for target in ("app", "frozen") if number % 2 else ("frozen", "app"):
            rows.append({"pair": number + 1, **measured(target)})
            print(rows[-1], flush=True)
    before, after = ([row for row in rows if row["target"] == each] for each in ("app", "frozen"))
    ratios = {
        figure: ratio([(float(str(a[figure])), float(str(b[figure]))) for a, b in zip(before, after, strict=True)])
        for figure in ("p99_ms", "cpu_us_per_request")
    }
    write_document(arguments.out, document("freezing", arguments, rows, **ratios))
    print(ratios)


if __name__ == "__main__":
    main()
