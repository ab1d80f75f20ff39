"""Do the intervals of a rotation hold, although it stops as soon as they are narrow, and for all pairs at once?

    .venv/bin/python benchmarks/coverage.py [--runs 4000] [--precision 0.02 …] [--out FILE]

Restarts of equal members are simulated (normal logarithms of their figures), stopped by the rule of
`harness.stats.simultaneous`, and it is counted in how many runs every interval holds the truth: of all pairs, and of
those with the first member only. Members vary alike, or one varies two, three or ten times as much as the others. No
server runs; two minutes.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy
from running import REFERENCE, Row, document, write_document

from harness import api

MEMBERS, DEVIATIONS, FACTORS = (2, 4, 8), (0.01, 0.02, 0.03), (2, 3, 10)
MOST_RESTARTS = 40
CHECKED = 20
"""Runs of each case that are told by the product's own functions too."""
LEAST = api.simultaneous.LEAST_RESTARTS
PAIR_LEVEL, POOLED_LEVEL, OWN_LEVEL = (
    api.simultaneous.PAIR_LEVEL,
    api.simultaneous.POOLED_LEVEL,
    api.simultaneous.OWN_LEVEL,
)
PRIOR = api.simultaneous.PRIOR
Table = numpy.ndarray[tuple[int, ...], numpy.dtype[numpy.float64]]


def cases() -> Iterator[tuple[float, ...]]:
    """Standard deviations of the members' logarithms."""
    for members in MEMBERS:
        for deviation in DEVIATIONS:
            yield (deviation,) * members
        for deviation, factor in itertools.product(DEVIATIONS[:2], FACTORS):
            yield (factor * deviation, *(deviation,) * (members - 1))


def alike(values: Table) -> numpy.ndarray[tuple[int, ...], numpy.dtype[numpy.bool_]]:
    """Of each run, whether its members vary alike in the first restarts (`simultaneous.alike`)."""
    members = values.shape[2]
    if members < 3:
        return numpy.ones(len(values), dtype=bool)
    deviations = numpy.sqrt(own_variances(values[:, :LEAST]))
    median = numpy.median(deviations, axis=1)
    return numpy.asarray((median > 0) & (deviations.max(axis=1) <= api.simultaneous.ALIKE * median), dtype=bool)


def own_variances(values: Table) -> Table:
    """Of each run and member (`simultaneous.variances`)."""
    members = values.shape[2]
    pairs = (values[:, :, :, None] - values[:, :, None, :]).var(axis=1, ddof=1)
    own = (pairs.sum(axis=2) - pairs.sum(axis=(1, 2))[:, None] / 2 / (members - 1)) / (members - 2)
    return numpy.asarray(numpy.maximum(own, 0.0))


def calm_variance(table: Table) -> Table:
    """Of each run, the variance that its members have together, but for those that are wild (`simultaneous.noise`)."""
    if table.shape[2] < 3:
        return numpy.zeros(len(table))
    own = own_variances(table)
    calm = own <= api.simultaneous.WILD * numpy.median(own, axis=1)[:, None]
    kept = calm.sum(axis=1)
    means = numpy.where(calm, table.mean(axis=1), 0).sum(axis=1) / kept
    rows = numpy.where(calm[:, None], table, 0).sum(axis=2) / kept[:, None]
    residuals = table - table.mean(axis=1)[:, None] - rows[:, :, None] + means[:, None, None]
    squares = numpy.where(calm[:, None], residuals**2, 0).sum(axis=(1, 2))
    return numpy.asarray(squares / (table.shape[1] - 1) / (kept - 1))


def stopped(values: Table, precision: float, *, against_one: bool) -> tuple[Table, Table]:
    """Of each run: whether all its intervals hold 0 where the rule stops it, and after how many restarts that is."""
    runs, most, members = values.shape
    pairs = numpy.asarray([pair for pair in itertools.combinations(range(members), 2) if 0 in pair or not against_one])
    pooled = alike(values) & (members > 2)
    hits, restarts, going = numpy.zeros(runs), numpy.zeros(runs), numpy.ones(runs, dtype=bool)
    for number in range(LEAST, most + 1):
        places = numpy.flatnonzero(going)
        table = values[places, :number]
        means = table.mean(axis=1)
        estimates = means[:, pairs[:, 1]] - means[:, pairs[:, 0]]
        residuals = table - means[:, None] - table.mean(axis=2, keepdims=True) + table.mean(axis=(1, 2), keepdims=True)
        freedom = (number - 1) * (members - 1)
        common = numpy.sqrt((residuals**2).sum(axis=(1, 2)) / freedom / number)
        own = (table[:, :, pairs[:, 1]] - table[:, :, pairs[:, 0]]).var(axis=1, ddof=1) / number
        prior = 2 * calm_variance(table)[:, None] / number
        moderated = (own <= api.simultaneous.WILD / 2 * prior) & (members > 2)
        worth = numpy.where(moderated, PRIOR, 0)
        own = numpy.sqrt((worth * prior + (number - 1) * own) / (worth + number - 1))
        level = PAIR_LEVEL if members == 2 else OWN_LEVEL
        quantile = functools.partial(api.simultaneous.quantile, members=members, against_one=against_one)
        factors = [quantile(level, freedom=each + number - 1) for each in (0, PRIOR)]
        halves = numpy.where(
            pooled[places, None],
            quantile(POOLED_LEVEL, freedom=freedom) * math.sqrt(2) * common[:, None],
            numpy.where(moderated, factors[1], factors[0]) * own,
        )
        ends = (numpy.expm1(halves) <= precision).all(axis=1) | (number == most)
        hits[places[ends]] = (numpy.abs(estimates) <= halves).all(axis=1)[ends]
        restarts[places[ends]] = number
        going[places[ends]] = False
        if not going.any():
            break
    return hits, restarts


def told_by_the_product(values: Table, precision: float, *, against_one: bool) -> tuple[bool, int]:
    """The same of one run, by the functions that `harness compare` calls."""
    rows = values.tolist()
    narrow = functools.partial(api.simultaneous.narrow, precision=precision, against_one=against_one)
    number = next((n for n in range(LEAST, len(rows)) if narrow(rows[:n])), len(rows))
    pairs = [pair for (a, _), pair in api.simultaneous.differences(rows[:number]).items() if a == 0 or not against_one]
    halves = [(abs(pair.estimate), pair.half_width(len(rows[0]), against_one=against_one)) for pair in pairs]
    return all(half is not None and off <= half for off, half in halves), number


def coverage(
    deviations: Sequence[float], precision: float, runs: int, seed: int, *, against_one: bool
) -> dict[str, Any]:
    """How often all intervals hold, of runs of members with these deviations."""
    chance = numpy.random.default_rng(seed)
    values = chance.normal(size=(runs, MOST_RESTARTS, len(deviations))) * numpy.asarray(deviations)
    hits, restarts = stopped(values, precision, against_one=against_one)
    for run in range(min(CHECKED, runs)):
        told = told_by_the_product(values[run], precision, against_one=against_one)
        assert told == (bool(hits[run]), int(restarts[run]))
    share = float(hits.mean())
    return {
        "members": len(deviations),
        "against_one": against_one,
        "deviations": sorted(set(deviations)),
        "precision": precision,
        "runs": runs,
        "coverage": round(share, 4),
        "error": round(math.sqrt(share * (1 - share) / runs), 4),
        "restarts": round(float(restarts.mean()), 1),
        "not_reached": round(float((restarts == MOST_RESTARTS).mean()), 4),
    }


def main() -> None:
    """Simulate every case, and store what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=4000, help="of each case")
    parser.add_argument("--precision", type=float, nargs="+", default=[0.02], help="half-widths at which to stop")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=REFERENCE / "coverage.json")
    arguments = parser.parse_args()
    rows: list[Row] = []
    all_cases = [
        (each, against_one) for against_one in (False, True) for each in cases() if len(each) > 2 or not against_one
    ]
    for place, (precision, (deviations, against_one)) in enumerate(itertools.product(arguments.precision, all_cases)):
        row = coverage(deviations, precision, arguments.runs, arguments.seed + place, against_one=against_one)
        rows.append(row)
        print(row, file=sys.stderr, flush=True)
        write_document(arguments.out, document("coverage", arguments, rows))
    worst = min(float(str(row["coverage"])) for row in rows)
    print(f"all intervals hold in {worst:.1%} of the runs of the worst of {len(rows)} cases")


if __name__ == "__main__":
    main()
