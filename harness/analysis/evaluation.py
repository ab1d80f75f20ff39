"""The evaluation of a measurement: gates, ceiling and diagnosis together. Pure."""

from __future__ import annotations

from harness.analysis import validity
from harness.analysis.bounds import NEAR, ceiling
from harness.analysis.diagnosis import diagnose
from harness.analysis.remarks import notes
from harness.analysis.validity import OUTCOMES
from harness.model.evaluation import Evaluation, Note, Verdict
from harness.model.measurement import Measurement


def evaluate(facts: Measurement) -> Evaluation:
    """The verdict under this version of the protocol, with the reasons for it."""
    failures = [reason for gate in OUTCOMES if (reason := gate(facts))]
    gates = validity.gates_of(facts)
    states = validity.states(facts, (*OUTCOMES, *gates))
    flaws = [reason for gate in gates if (reason := gate(facts))]
    verdict: Verdict = "failed" if failures else "invalid" if flaws else "valid"
    highest = ceiling(facts)
    fraction = None if highest is None else round(facts.throughput_rps / highest.rps, 4)
    remarks = notes(facts)
    if highest is not None and fraction is not None and fraction >= NEAR and facts.cell.load.users is not None:
        remarks.append(Note(message=f"limited by the load or its own waits ({highest.limit}): does not rank servers"))
    return Evaluation(
        verdict=verdict,
        gates=states,
        reasons=failures + flaws,
        notes=remarks,
        ceiling=highest,
        ceiling_fraction=fraction,
        diagnosis=diagnose(facts),
    )
