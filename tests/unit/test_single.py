"""Text for a terminal: everything that matters, within 100 columns, nothing invented."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.analysis.evaluation import evaluate
from harness.model.events import MeasurementProgress
from harness.model.load import Timing
from harness.model.measurement import DatabaseFacts, Latency, Measurement
from harness.report import progress, single


def text_of(facts: Measurement, log: str = "") -> str:
    return single.text(facts, evaluate(facts), Path("results/x"), log, details=True)


def test_a_valid_measurement(facts: Measurement) -> None:
    text = text_of(facts)
    for part in (
        "granian, 2 workers: fastapi async, sleep?ms=100, 100 connections",
        "988 req/s",
        "trustworthy   yes",
        "one period of one start, without an interval",
        "p50 100.9   p90 102.0   p99 110.0   max 130.0 ms",
        "0 of 9,876 requests in 10 s; 490 answers checked, 0 wrong",
        "0.30 cores, 303 µs per request",
        "100 MB in 3 processes",
        "granian 2.8.7 on Python 3.11.7, up in 0.50 s",
        "loop uvloop.Loop, parser hyper, threads 40, TCP_NODELAY on",
        "requests 4,938 / 4,938; connections 50 / 50",
        "k6 1.1.0, 100 connections, 10% of core 2",
        "server on cores 0, 1, generator on core 2",
        "written form  granian/fastapi/async/sleep?ms=100/w2/c100",
        "harness report results/x --format html",
    ):
        assert part in text
    assert "note" not in text
    assert max(map(len, text.splitlines())) <= 100
    assert text == "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def test_a_failed_one_shows_reasons_and_the_log(change: Callable[..., Measurement]) -> None:
    text = text_of(change(failures_by_kind={"timeout": 5000}), log="Segmentation fault")
    assert "failed        33.6% of the requests failed: 5,000 timed out" in text
    assert "Segmentation fault" in text


def test_what_is_not_known_is_not_shown_as_a_number(facts: Measurement) -> None:
    latency = Latency(min=1, mean=1, p50=1, p90=None, p95=None, p99=None, max=2)
    assert "p50 1.0   max 2.0 ms   (p90, p99: too few requests)" in text_of(
        facts.model_copy(update={"latency_ms": latency})
    )
    nothing = Latency(min=None, mean=None, p50=None, p90=None, p95=None, p99=None, max=None)
    assert "latency       –" in text_of(facts.model_copy(update={"latency_ms": nothing}))


def test_the_database_is_told(facts: Measurement) -> None:
    database = DatabaseFacts(
        kind="embedded",
        version="18.4",
        server="x",
        cpu_cores=0.25,
        pooled=False,
        rows={"users": 10_000},
        scale=0.01,
        seed=1,
    )
    text = text_of(facts.model_copy(update={"database": database}))
    assert "embedded PostgreSQL 18.4, a connection per query, 10,000 users, 0.25 cores" in text
    assert "connections of its own" in text


def test_progress_in_a_pipe_is_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.display("the-cell", Timing(warmup_seconds=3, window_seconds=10)) as emit:
        for event in (
            MeasurementProgress(phase="boot"),
            MeasurementProgress(phase="warm-up", fraction=0.0),
            MeasurementProgress(phase="warm-up", fraction=0.9, rps=10.0),
            MeasurementProgress(phase="window", fraction=0.1, rps=10.0),
            MeasurementProgress(phase="stop"),
        ):
            emit(event)
    assert capsys.readouterr().err.splitlines() == [
        "the-cell: starting the server",
        "  warm-up, 3 s",
        "  measuring, 10 s",
        "  stopping the server",
    ]


def test_sizes_are_told_as_sent_and_decoded(facts: Measurement) -> None:
    def told(**sizes: float) -> str:
        return text_of(facts.model_copy(update={"server": facts.server.model_copy(update=sizes)}))

    assert "3,139 bytes each as sent, 3.1 MB/s" in told(answer_bytes=3139.0)
    packed = told(answer_bytes=3139.0, decoded_bytes=16123.0)
    assert "3,139 bytes each as sent (16.1 kB decoded, before the load), 3.1 MB/s" in packed
