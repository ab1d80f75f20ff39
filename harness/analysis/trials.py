"""What the stages of a search for the best configuration have found so far, from what is stored of them. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.analysis import overview, review
from harness.analysis.overview import EvaluatedVisit
from harness.analysis.rotation import THROUGHPUT
from harness.analysis.verdicts import ratio_of, verdict
from harness.model.comparison import Interval
from harness.model.evaluation import Diagnosis
from harness.model.metrics import METRICS
from harness.model.recommendation import Configuration, StageName, Standing
from harness.model.record import RecommendationRecord, StoredRun
from harness.stats import simultaneous
from harness.stats.intervals import usable

LEAST_LOOK = 3
"""Restarts from which on what is decidedly worse leaves."""
LOOKS = 4
"""By so many looks the error of leaving is shared out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """A stage: its configurations, and what is known of each."""

    name: StageName
    load: str
    members: Sequence[Configuration]
    up: Sequence[Configuration]
    """Those that are still restarted."""
    logs: Mapping[Configuration, Mapping[int, float]]
    """Restart → logarithm of the throughput, of what is valid."""
    restarts: int
    """That were made."""
    seconds: float
    """That they took."""
    budget: float
    """Seconds that the stage may take."""
    diagnoses: Mapping[Configuration, Diagnosis | None]
    busy: Mapping[Configuration, float]
    """Share of the server's cores in use, on average."""
    threads_used: Mapping[Configuration, float]
    """Threads of a worker in use, on average."""
    failed: Mapping[Configuration, str]
    """Those that did not come up, or not do their work, with the reason."""
    unknown: Mapping[Configuration, str]
    """Those of which no restart is valid, with the reason."""

    @property
    def known(self) -> list[Configuration]:
        """Those of which something is known, the best first; those that have left come last."""
        means = {each: self._mean(each) for each in self.up if self.logs[each]}
        first = sorted(means, key=lambda each: -means[each])
        behind: dict[Configuration, float] = {}
        for each, logs in self.logs.items():
            if logs and each not in self.up and each not in self.failed:
                ratio = self.ratio(first[0], each) if first else None
                behind[each] = 0.0 if ratio is None else ratio.estimate
        return [*first, *sorted(behind, key=lambda each: -behind[each])]

    def _mean(self, each: Configuration) -> float:
        """Over the restarts that all have in common, where there are any: what a whole one shares falls out."""
        numbers = self._complete() or self.logs[each]
        return statistics.fmean(self.logs[each][number] for number in numbers)

    def rate(self, each: Configuration) -> float:
        """Requests per second, over restarts."""
        return math.exp(statistics.fmean(self.logs[each].values()))

    def ratio(self, a: Configuration, b: Configuration, *, looks: int = 1) -> Interval | None:
        """b ÷ a over the restarts in which both were up, with an interval for all members at once."""
        shared = sorted(self.logs[a].keys() & self.logs[b].keys())
        if not shared:
            return None
        rows = [[self.logs[each][number] for each in self.up] for number in self._complete()]
        common = simultaneous.noise(rows) if {a, b} <= set(self.up) and rows and looks == 1 else None
        difference = simultaneous.difference([self.logs[b][number] - self.logs[a][number] for number in shared], common)
        members = max(2, len([each for each in self.logs.values() if each]))
        return ratio_of(difference, difference.half_width(members, families=looks))

    def _complete(self) -> list[int]:
        """Restarts in which all that are up are valid."""
        return sorted(set.intersection(*(set(self.logs[each]) for each in self.up))) if self.up else []

    def clearly_worse(self, best: Configuration, other: Configuration, margin: float) -> bool:
        """Whether one is worse than the best by more than the margin, although one looks after each restart."""
        if len(self.logs[other]) < LEAST_LOOK:
            return False
        ratio = self.ratio(best, other, looks=LOOKS)
        return ratio is not None and ratio.high is not None and ratio.high < 1 - margin

    def standing(self, best: Configuration, other: Configuration, margin: float) -> tuple[Standing, Interval | None]:
        """Of a configuration beside the best."""
        if other in self.failed:
            return "failed", None
        if other == best:
            return "best", None
        ratio = self.ratio(best, other) if self.logs.get(other) else None
        if ratio is None:
            return "unknown", None
        if self.clearly_worse(best, other, margin) or (other not in self.up and ratio.estimate < 1):
            return "worse", ratio
        if ratio.n < simultaneous.LEAST_RESTARTS:
            return "unclear", ratio
        decided = verdict(THROUGHPUT, ratio, margin)
        return {"equivalent": "equal", "slower": "worse"}.get(decided, "unclear"), ratio  # type: ignore[return-value]


def leaving(trial: Trial, margin: float) -> list[Configuration]:
    """Those that need no more restarts: they are clearly worse than the best, or failed."""
    gone = [each for each in trial.up if each in trial.failed]
    others = [each for each in trial.known[1:] if each in trial.up]
    return gone + [each for each in others if trial.clearly_worse(trial.known[0], each, margin)]


def trials(stored: StoredRun) -> list[Trial]:
    """Every stage that a run has begun."""
    record = stored.record
    assert isinstance(record, RecommendationRecord)
    evaluated = overview.evaluate_all(review.visits(stored))
    return [_trial(stored, record, number, evaluated) for number in range(1, len(record.stages) + 1)]


def _trial(stored: StoredRun, record: RecommendationRecord, number: int, evaluated: Sequence[EvaluatedVisit]) -> Trial:
    stage = record.stages[number - 1]
    cells = [record.cells[place] for place in record.sets[number - 1].members]
    of_label = {cell.label: Configuration.of(cell) for cell in cells}
    restarts = [each for each in stored.restarts if each.set == number]
    own = [each for each in evaluated if each.visit.set == number and each.visit.cell.label in of_label]
    by_cell = {
        configuration: [each for each in own if each.visit.cell.label == label]
        for label, configuration in of_label.items()
    }
    failed = {
        configuration: next(each for each in visits if each.verdict == "failed").reasons[0].message
        for configuration, visits in by_cell.items()
        if any(each.verdict == "failed" for each in visits)
    }
    last = [of_label[label] for label in restarts[-1].cells] if restarts else list(of_label.values())
    return Trial(
        name=stage.name,
        load=cells[0].load.label,
        members=list(of_label.values()),
        up=[each for each in last if each not in failed],
        logs={configuration: _logs(visits) for configuration, visits in by_cell.items()},
        restarts=len(restarts),
        seconds=sum(each.seconds for each in restarts),
        budget=stage.seconds,
        diagnoses={configuration: _diagnosis(visits) for configuration, visits in by_cell.items()},
        busy={configuration: _busy(visits) for configuration, visits in by_cell.items()},
        threads_used={configuration: _threads(visits) for configuration, visits in by_cell.items()},
        failed=failed,
        unknown={
            configuration: next(reason.message for each in reversed(visits) for reason in each.reasons)
            for configuration, visits in by_cell.items()
            if configuration not in failed and visits and not any(each.valid for each in visits)
        },
    )


def _logs(visits: Sequence[EvaluatedVisit]) -> dict[int, float]:
    values = {each.visit.restart: each.visit.value(METRICS[THROUGHPUT]) for each in visits if each.valid is not None}
    return {number: math.log(value) for number, value in values.items() if usable(value)}


def _diagnosis(visits: Sequence[EvaluatedVisit]) -> Diagnosis | None:
    found = [each.evaluation.diagnosis for each in visits if each.evaluation is not None and each.valid is not None]
    return next((each for each in reversed(found) if each is not None), None)


def _busy(visits: Sequence[EvaluatedVisit]) -> float:
    """Share of the server's cores in use, on average; 0 where nothing is valid."""
    shares = [
        each.valid.server.cpu_cores / len(each.valid.placement.server_cpus or range(each.valid.machine.cpus))
        for each in visits
        if each.valid is not None
    ]
    return statistics.fmean(shares) if shares else 0.0


def _threads(visits: Sequence[EvaluatedVisit]) -> float:
    """Threads of a worker in use, on average; 0 where none are seen."""
    facts = [each.valid.evidence for each in visits if each.valid is not None]
    used = [each.threads.used_mean for each in facts if each is not None and each.threads is not None]
    return max(used, default=0.0)
