"""The speed of a CPU second: a fixed piece of work, told with its spread."""

from __future__ import annotations

import pytest

from harness.host import speed


def test_a_probe_tells_steps_per_cpu_second(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([1.0, 1.004])
    monkeypatch.setattr("time.thread_time", lambda: next(moments))
    assert speed.probe() == pytest.approx(speed.WORK / 0.004 / 1e6)


def test_probes_are_summed_up() -> None:
    assert speed.summary([10.0, 12.0, 11.0]) == (11.0, pytest.approx(0.2))
    assert speed.summary([10.0]) == (10.0, None)
    assert speed.summary([]) == (None, None)
