"""The generator's own ceiling: when it is calibrated, kept, and measured again."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.errors import LackError
from harness.host import signals
from harness.load.k6 import K6
from harness.measure import calibration
from harness.model.placement import Placement

Calibrated = Callable[..., list[float]]


@pytest.fixture
def job() -> Any:
    placement = Placement(pin="split", server_cpus=[0], generator_cpus=[1], database_cpus=None, cores=[0, 1], note=None)
    spec = SimpleNamespace(subject=SimpleNamespace(known_seconds=0.0))
    return SimpleNamespace(
        spec=spec, placement=placement, users=32, rate=None, generator=K6(path="k6", version="1.1.0")
    )


@pytest.fixture
def calibrated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Calibrated:
    """Give what each calibration finds, in turn, and how much is stolen meanwhile; returns what was not asked for."""
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))

    def prepared(found: list[float], stolen: float = 0.0) -> list[float]:
        clock: Iterator[float] = iter(range(1000))
        monkeypatch.setattr(calibration, "calibrate", lambda _: found.pop(0))
        monkeypatch.setattr(calibration.time, "monotonic", lambda: float(next(clock)))
        seconds: Iterator[float] = iter(range(1000))
        monkeypatch.setattr(
            calibration.procfs, "cpu_times", lambda cpus: SimpleNamespace(stolen=next(seconds) * stolen * len(cpus))
        )
        monkeypatch.setattr(calibration.speed, "probe", lambda: 10.0)
        return found

    return prepared


def quiet(_: object) -> None:
    """No observer."""


def test_a_quiet_calibration_is_kept(job: Any, calibrated: Calibrated) -> None:
    left = calibrated([5000.0, 6000.0])
    assert calibration.ceiling(job, quiet) == 5000.0
    assert calibration.ceiling(job, quiet) == 5000.0
    assert left == [6000.0]


def test_while_others_take_time_it_is_tried_three_times_and_the_most_counts(job: Any, calibrated: Calibrated) -> None:
    left = calibrated([5000.0, 7000.0, 6000.0, 9000.0], stolen=0.5)
    assert [calibration.ceiling(job, quiet) for _ in range(5)] == [5000.0, 7000.0, 7000.0, 7000.0, 7000.0]
    assert left == [9000.0]


def test_cells_that_wait_need_none(job: Any, calibrated: Calibrated) -> None:
    left = calibrated([5000.0])
    job.spec.subject.known_seconds = 0.1
    assert calibration.ceiling(job, quiet) is None
    assert calibration.confirmed(job, None, 320.0, quiet) is None
    assert left == [5000.0]


def test_a_measurement_that_comes_close_has_it_measured_again(job: Any, calibrated: Calibrated) -> None:
    left = calibrated([5000.0, 9000.0, 4000.0])
    known = calibration.ceiling(job, quiet)
    assert calibration.confirmed(job, known, 3000.0, quiet) == 5000.0
    assert left == [9000.0, 4000.0]
    assert calibration.confirmed(job, known, 4500.0, quiet) == 9000.0
    assert calibration.confirmed(job, 9000.0, 8000.0, quiet) == 9000.0  # a slower moment takes nothing back
    assert calibration.ceiling(job, quiet) == 9000.0


def test_it_is_not_measured_again_without_end(job: Any, calibrated: Calibrated) -> None:
    left = calibrated([5000.0] * 20)
    known = calibration.ceiling(job, quiet)
    for _ in range(10):
        assert calibration.confirmed(job, known, 4900.0, quiet) == 5000.0
    assert len(left) == 20 - calibration.CONFIRMATIONS


@pytest.mark.parametrize(
    ("later", "faster", "again"),
    [(60.0, 1.0, False), (7200.0, 1.0, True), (60.0, 1.1, False), (60.0, 1.2, True), (60.0, 0.8, True)],
)
def test_another_day_and_another_speed_have_it_measured_anew(
    job: Any, calibrated: Calibrated, monkeypatch: pytest.MonkeyPatch, later: float, faster: float, again: bool
) -> None:
    """What was reached when the machine was faster is no longer the most that it can show."""
    calibrated([5000.0, 4000.0])
    monkeypatch.setattr(calibration.time, "time", lambda: 1000.0)
    assert calibration.ceiling(job, quiet) == 5000.0
    monkeypatch.setattr(calibration.time, "time", lambda: 1000.0 + later)
    monkeypatch.setattr(calibration.speed, "probe", lambda: 10.0 * faster)
    assert calibration.ceiling(job, quiet) == (4000.0 if again else 5000.0)


def test_a_ceiling_is_of_this_kernel_and_quota_too(job: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = set()
    for kernel, quota in (("6.1", None), ("6.2", None), ("6.2", 1.5)):
        found = {"cpu_model": "one", "kernel": kernel, "cpu_quota": quota}
        monkeypatch.setattr(calibration.host, "facts", lambda found=found: found)
        keys.add(calibration.key(job))
    assert len(keys) == 3


def test_what_an_earlier_version_stored_is_measured_anew(job: Any, calibrated: Calibrated, tmp_path: Path) -> None:
    calibrated([5000.0])
    (tmp_path / calibration.FILE).write_text(f'{{"{calibration.key(job)}": {{"rps": 1, "quiet": true, "times": 9}}}}')
    assert calibration.ceiling(job, quiet) == 5000.0


def test_an_interruption_ends_it_at_once_and_loses_nothing(
    job: Any, calibrated: Calibrated, monkeypatch: pytest.MonkeyPatch
) -> None:
    calibrated([5000.0])
    known = calibration.ceiling(job, quiet)

    def interrupted(_: object) -> float:
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("the interruption did not end it")

    monkeypatch.setattr(calibration, "calibrate", interrupted)
    stored: list[str] = []

    def measure() -> None:
        with signals.section():
            signals.defer()
            assert calibration.confirmed(job, known, 4900.0, quiet) == 5000.0
            assert signals.pending()
            assert calibration.confirmed(job, known, 4900.0, quiet) == 5000.0  # not tried again: the end is near
            stored.append("measurement")

    handlers = {number: signal.getsignal(number) for number in signals.ENDING}
    signals.install()
    try:
        with pytest.raises(signals.Ended):
            measure()
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert stored == ["measurement"]


def test_a_calibration_that_fails_loses_no_measurement(
    job: Any, calibrated: Calibrated, monkeypatch: pytest.MonkeyPatch
) -> None:
    calibrated([5000.0])
    known = calibration.ceiling(job, quiet)

    def failed(_: object) -> float:
        raise LackError("the null server does not start", cure="")

    monkeypatch.setattr(calibration, "calibrate", failed)
    assert calibration.confirmed(job, known, 4900.0, quiet) == 5000.0
