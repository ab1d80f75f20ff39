"""The doctor's findings: what is fine, what hurts, and that each lack has a cure."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from harness.experiments import doctor
from harness.model.doctor import Finding
from harness.model.environment import Environment
from harness.report import doctor as shown


@pytest.mark.parametrize(
    ("finding", "state", "says"),
    [
        (doctor.cores(8, 8), "ok", "8"),
        (doctor.cores(1, 8), "warning", "1 of 8 may be used: server and generator share it"),
        (doctor.quota(None, 2), "ok", "none"),
        (doctor.quota(3.5, 4), "ok", "3.5 of 4 cores: so many are used"),
        (doctor.quota(1.5, 4), "warning", "1.5 of 4 cores: everything stands still"),
        (doctor.quota(1.0, 1), "ok", "1 of 1 cores"),
        (doctor.governor(None), "ok", "not shown"),
        (doctor.governor("performance"), "ok", "performance"),
        (doctor.governor("powersave"), "warning", "powersave"),
        (doctor.others(0.01, 0.02, pressure=None), "ok", "1% taken by other guests of the host, 2% used by other"),
        (
            doctor.others(0.3, 0.0, pressure="some avg10=12.50 avg60=1.00 avg300=0.10 total=1"),
            "warning",
            "waited for a core 12%",
        ),
        (doctor.clock("tsc"), "ok", "tsc"),
        (doctor.clock("hpet"), "warning", "a system call"),
        (doctor.descriptors(resource.RLIM_INFINITY), "ok", "no limit"),
        (doctor.descriptors(1024), "warning", "good for 824 users"),
        (doctor.ports(28_232), "ok", "good for 25,408 users"),
        (doctor.memory(24_800_000_000, None), "ok", "24.8 GB free"),
        (doctor.memory(500_000_000, 1_000_000_000), "warning", "the container may use 1.0 GB"),
        (doctor.disk("disk", Path("/")), "ok", "free in /"),
    ],
)
def test_each_finding(finding: Finding, state: str, says: str) -> None:
    assert finding.state == state
    assert says in finding.found
    assert (finding.cure is None) == (state == "ok")


def test_a_finding_is_shown_with_its_cure(capsys: pytest.CaptureFixture[str]) -> None:
    shown.show(doctor.cores(1, 1))
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("warning cores")
    assert second.strip() == "→ use a machine with two cores or more"


def test_servers_that_are_not_installed_are_named_at_once_with_what_installs_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = {"uvicorn": "1.0", "uvloop": "2.0", "waitress": "3.0", "h2corn": "4.0"}
    environment = Environment(python="3.11.7", implementation="CPython", executable="python", packages=there)
    monkeypatch.setattr(doctor.interpreters, "inspect", lambda _: environment)
    found = {each.subject: each for each in doctor._servers(None)}
    assert list(found) == ["h2corn", "uvicorn", "waitress", "other servers"]
    assert found["uvicorn"].found == "1.0, loops: uvloop 2.0, asyncio"
    assert "bjoern, cheroot, daphne" in found["other servers"].found
    assert "pip install bjoern-binary cheroot daphne" in found["other servers"].found
    del environment.packages["uvloop"]
    (lack,) = (each for each in doctor._servers(None) if each.subject == "h2corn")
    assert (lack.state, lack.cure) == ("warning", "pip install uvloop")
