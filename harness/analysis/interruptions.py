"""What interrupts a measurement: the system's clock is set, the machine sleeps, a CPU quota is used up. Pure."""

from __future__ import annotations

from harness.model.counting import counted
from harness.model.evaluation import Reason, Remedy
from harness.model.measurement import Interruptions, Measurement
from harness.model.rotation import Restart

OTHERS_SHARE = 0.05
"""Of the cores in use, that other guests and processes may take."""
CLOCK_SECONDS = 0.01
"""By which the system's clock may differ from the monotonic one: reading both takes less, and slewing moves both."""


def clock(facts: Measurement) -> Reason | None:
    """A window in which the system's clock was set, or the machine slept, is not as long as it seems."""
    found = facts.machine.interruptions
    message = None if found is None else clock_sentence(found)
    if found is None or message is None:
        return None
    return Reason(
        gate="clock",
        message=message,
        value=max(abs(found.clock_step_s), found.suspended_s),
        limit=CLOCK_SECONDS,
        remedies=[Remedy(kind="clock", direction="mend")],
    )


def quota(facts: Measurement) -> Reason | None:
    """A container that has used up its CPU quota stands still for the rest of the period, which shows as latency."""
    found = facts.machine.interruptions
    message = None if found is None else quota_sentence(found)
    if found is None or message is None:
        return None
    return Reason(
        gate="quota",
        message=message,
        value=found.throttled_periods,
        limit=0,
        remedies=[Remedy(kind="quota", direction="raise")],
    )


def disturbance(restart: Restart) -> str | None:
    """What others, the clock or a quota did to a restart, so that it does not count; None where nothing."""
    found = restart.interruptions
    interrupted = None if found is None else clock_sentence(found) or quota_sentence(found)
    if interrupted is not None:
        return interrupted
    if restart.stolen_cpu_share > OTHERS_SHARE:
        return f"other guests of this machine's host took {restart.stolen_cpu_share:.0%} of the cores in use"
    if restart.foreign_cpu_share > OTHERS_SHARE:
        return f"other programs used {restart.foreign_cpu_share:.0%} of the cores in use"
    return None


def clock_sentence(found: Interruptions) -> str | None:
    """What was wrong with the clocks; None where nothing was."""
    if found.suspended_s > CLOCK_SECONDS:
        return f"the machine slept for {found.suspended_s:,.1f} s meanwhile"
    if abs(found.clock_step_s) > CLOCK_SECONDS:
        way = "forwards" if found.clock_step_s > 0 else "backwards"
        return f"the system's clock was set {way} by {abs(found.clock_step_s):,.2f} s meanwhile"
    return None


def quota_sentence(found: Interruptions) -> str | None:
    """How often the quota was used up; None where it never was."""
    if not found.throttled_periods:
        return None
    return (
        f"the CPU quota of this container or control group was used up {counted(found.throttled_periods, 'time')}: its "
        f"processes stood still for {found.throttled_s or 0.0:,.2f} s of CPU time"
    )
