"""What scripts, notebooks and our own benchmarks import: cells, experiments, stored runs, and what they are made of.

Everything else in `harness` may change its place. Measure a cell, read the run back, and see what it says:

    >>> from harness import api
    >>> cell = api.resolve("uvicorn/fastapi/async/sleep?ms=10/c4")
    >>> timing = api.Timing(warmup_seconds=0.5, window_seconds=1.0)
    >>> result = api.run(cell, timing, api.ExecutionOptions(out=results), attempts=1)
    >>> result.record.requests > 100
    True
    >>> overview = api.review(api.read_run(result.folder))
    >>> overview.cells[0].name
    'uvicorn/fastapi/async/sleep?ms=10/w1/c4'

A cell is given in its written form or as a `CellSpec`. Experiments raise `HarnessError`, which says what is wrong and
what to do about it; sentences on what goes on are logged below the logger `harness`, figures go to `emit` as events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness import __version__ as version
from harness.analysis import capacity as capacity_analysis
from harness.analysis import rotation as rotation_analysis
from harness.analysis.contrasts import compare as compare_observations
from harness.analysis.evaluation import evaluate
from harness.analysis.interruptions import OTHERS_SHARE
from harness.analysis.lateness import Probe as CapacityProbe
from harness.analysis.overview import EvaluatedVisit, evaluate_all, observations
from harness.analysis.recommendation import recommend as recommendation_of
from harness.analysis.review import against, compare, review, visits
from harness.analysis.studies import judge as judge_study
from harness.analysis.validity import GENERATOR_SHARE
from harness.applications.served import Probe
from harness.config.application import ApplicationOptions, resolve_side
from harness.config.cells import CellSpec, ResolvedCell, parse_cell, resolve_cell
from harness.config.grouping import Room
from harness.config.presets import preset
from harness.database import shop
from harness.database.connection import connect as connect_postgres
from harness.database.connection import prepare as prepare_database
from harness.database.connection import server as postgres
from harness.database.connection import settings as postgres_settings
from harness.database.embedded import stop as stop_postgres
from harness.database.tasks import parse_scale
from harness.deploy.launch import (
    Deployment,
    prepare_folder,
    server_environment,
    start_server,
    target_of,
    verified_answers,
)
from harness.deploy.spec import ServerSpec
from harness.errors import HarnessError
from harness.experiments import capacity as capacities
from harness.experiments import matrix as matrices
from harness.experiments import overload as overloads
from harness.experiments import preflight, single
from harness.experiments import recommend as recommending
from harness.experiments import rotation as rotations
from harness.experiments.capacity import CapacityOptions, CapacityResult
from harness.experiments.deployments import Deployments, deployed
from harness.experiments.matrix import expand_plan, sets_of
from harness.experiments.overload import OverloadOptions, OverloadResult
from harness.experiments.recommend import RecommendOptions
from harness.experiments.rotation import RotationOptions, RotationResult
from harness.experiments.session import ExecutionOptions
from harness.experiments.single import SingleResult
from harness.host.affinity import confined
from harness.host.facts import facts as host_facts
from harness.host.placement import place
from harness.host.ports import HOST, free_port
from harness.host.processes import Child, Supervisor
from harness.host.procfs import context_switches, cpu_seconds, cpu_times
from harness.load import find as find_generator
from harness.load.arrivals import moments_ms as arrival_moments
from harness.load.generator import Generator, Load, LoadSummary, LoadTarget
from harness.load.k6 import find as find_k6
from harness.measure import Job, Measured, measure
from harness.measure.calibration import calibrate
from harness.measure.window import Window
from harness.model.capacity import Capacity, CellCapacity, Objective, parse_objective
from harness.model.claims import ClaimResult, StudyResult
from harness.model.comparison import Comparison, Interval, Observation
from harness.model.events import Emit, Event, ProbeFinished, SeedProgress, ignore
from harness.model.load import ClosedLoad, OpenLoad, RequestMix, RequestTemplate, Timing
from harness.model.measurement import Measurement
from harness.model.metrics import METRICS
from harness.model.overview import CellOverview, Overview
from harness.model.placement import Placement
from harness.model.plan import Axes, CellSet, Plan
from harness.model.quantities import duration
from harness.model.recommendation import Configuration, Recommendation
from harness.model.record import (
    CapacityRecord,
    FailureRecord,
    HostFacts,
    MatrixRecord,
    MeasurementRecord,
    OverloadRecord,
    Place,
    SingleRecord,
    StoredRun,
)
from harness.model.rotation import Restart, Rotation
from harness.model.variant import Cell, Variant
from harness.report.answers import answers
from harness.report.charts.base import Chart
from harness.report.charts.files import write as draw
from harness.report.markdown import claims_table, escaped
from harness.report.markdown import table_lines as markdown_table
from harness.report.render import charts_of as charts
from harness.report.render import text as report
from harness.report.words import half_width as half_width_words
from harness.report.words import inverse
from harness.report.words import number as number_words
from harness.report.words import ratio as ratio_words
from harness.stats import simultaneous
from harness.stats.crowding import crowded, waiting_seconds
from harness.stats.intervals import interval, paired, usable
from harness.store.codec import as_text, document, read_run
from harness.store.index import RunEntry, runs

__all__ = [
    "GENERATOR_SHARE",
    "HOST",
    "METRICS",
    "OPTIONS",
    "OTHERS_SHARE",
    "TIMING",
    "ApplicationOptions",
    "Axes",
    "Capacity",
    "CapacityOptions",
    "CapacityProbe",
    "CapacityRecord",
    "CapacityResult",
    "Cell",
    "CellCapacity",
    "CellLike",
    "CellOverview",
    "CellSet",
    "CellSpec",
    "Chart",
    "Child",
    "ClaimResult",
    "ClosedLoad",
    "Comparison",
    "Configuration",
    "Deployment",
    "Deployments",
    "Emit",
    "EvaluatedVisit",
    "Event",
    "ExecutionOptions",
    "FailureRecord",
    "Generator",
    "HarnessError",
    "HostFacts",
    "Interval",
    "Job",
    "Load",
    "LoadSummary",
    "LoadTarget",
    "MatrixRecord",
    "Measured",
    "Measurement",
    "MeasurementRecord",
    "Objective",
    "Observation",
    "OpenLoad",
    "OverloadOptions",
    "OverloadRecord",
    "OverloadResult",
    "Overview",
    "Place",
    "Placement",
    "Plan",
    "Probe",
    "ProbeFinished",
    "RecommendOptions",
    "Recommendation",
    "RequestMix",
    "RequestTemplate",
    "ResolvedCell",
    "Restart",
    "Room",
    "Rotation",
    "RotationOptions",
    "RotationResult",
    "RunEntry",
    "SeedProgress",
    "ServerSpec",
    "SingleRecord",
    "SingleResult",
    "StoredRun",
    "StudyResult",
    "Supervisor",
    "Timing",
    "Variant",
    "Window",
    "against",
    "answers",
    "arrival_moments",
    "as_text",
    "calibrate",
    "capacity",
    "capacity_analysis",
    "charts",
    "claims_table",
    "compare",
    "compare_observations",
    "confined",
    "connect_postgres",
    "context_switches",
    "cpu_seconds",
    "cpu_times",
    "crowded",
    "deployed",
    "document",
    "draw",
    "duration",
    "escaped",
    "evaluate",
    "evaluate_all",
    "expand_plan",
    "find_generator",
    "find_k6",
    "free_port",
    "half_width_words",
    "host_facts",
    "ignore",
    "interval",
    "inverse",
    "judge_study",
    "markdown_table",
    "matrix",
    "measure",
    "number_words",
    "observations",
    "overload",
    "paired",
    "parse_objective",
    "parse_scale",
    "place",
    "postgres",
    "postgres_settings",
    "prepare_database",
    "prepare_folder",
    "preset",
    "ratio_words",
    "read_run",
    "recommend",
    "recommendation_of",
    "report",
    "resolve",
    "review",
    "rotate",
    "rotation_analysis",
    "run",
    "runs",
    "server_environment",
    "server_specs",
    "sets_of",
    "shop",
    "simultaneous",
    "start_server",
    "stop_postgres",
    "target_of",
    "usable",
    "verified_answers",
    "version",
    "visits",
    "waiting_seconds",
]

CellLike = str | CellSpec | ResolvedCell
"""A cell in its written form, by its parts, or resolved."""
TIMING = Timing(warmup_seconds=3.0, window_seconds=10.0)
"""Warm-up and window of `harness run` where the command line names none."""
OPTIONS = ExecutionOptions()
"""k6 as the generator, the embedded Postgres, results below `results/` in the current folder."""


def resolve(cell: CellLike, application: ApplicationOptions | None = None) -> ResolvedCell:
    """A cell of which every name is known and every number in bounds.

    Parts that a written form or `CellSpec` leaves out take the defaults of `harness run`. `application` describes the
    user's application that is served in place of a bundled one. UsageError names what cannot be, and what can.

        >>> resolve("granian/noop/w2").label
        'granian/fastapi/async/noop/w2/c16'
        >>> resolve(CellSpec(server="uvicorn:loop=asyncio", style="sync", params=("n=20",), users=8)).label
        'uvicorn:loop=asyncio/fastapi/sync/cpu?n=20/w1/c8'
    """
    if isinstance(cell, ResolvedCell):
        return cell
    spec = parse_cell(cell, CellSpec(server="")) if isinstance(cell, str) else cell
    if spec.app is None and application is None:
        return resolve_cell(spec)
    return resolve_side(spec, application or ApplicationOptions(), (), spec.python, None)


def run(
    cell: CellLike,
    timing: Timing = TIMING,
    options: ExecutionOptions = OPTIONS,
    emit: Emit = ignore,
    *,
    attempts: int = 3,
) -> SingleResult:
    """Measure one cell in one window and store it; up to `attempts` times while other programs disturb the machine."""
    return single.run(resolve(cell), timing, options, emit, attempts=attempts)


def matrix(
    plan: Plan,
    options: ExecutionOptions = OPTIONS,
    emit: Emit = ignore,
    *,
    variables: Mapping[str, str] | None = None,
) -> StoredRun:
    """Measure every cell of a plan, store each restart at once, and read the run back.

    `variables`: values of the environment variables that the plan gives to the user's application.
    """
    return read_run(matrices.run(plan, variables or {}, options, emit))


def recommend(
    template: CellSpec,
    servers: Sequence[str],
    rules: RecommendOptions | None = None,
    options: ExecutionOptions = OPTIONS,
    emit: Emit = ignore,
) -> Recommendation:
    """Look for the best of some servers, worker counts and thread counts for what `template` serves, and store each
    restart at once. What a stored search advises is told by `recommendation_of`."""
    folder = recommending.run(template, servers, rules or RecommendOptions(), options, emit)
    return recommendation_of(read_run(folder))


def rotate(
    cells: Sequence[CellLike],
    rules: RotationOptions,
    options: ExecutionOptions = OPTIONS,
    emit: Emit = ignore,
) -> RotationResult:
    """Compare two or more cells that are up at once and are loaded in turn, and store each restart of them at once."""
    return rotations.run([resolve(cell) for cell in cells], rules, options, emit)


def capacity(
    cells: Sequence[CellLike],
    rules: CapacityOptions,
    options: ExecutionOptions = OPTIONS,
    emit: Emit = ignore,
) -> CapacityResult:
    """Find the highest rates that cells hold under objectives, probing them in turn, and store each probe at once.

    The load of a cell is left aside. `result.capacity.cells` has one entry for each cell, in their order: `bounds.low`
    is the highest rate that held and `bounds.high` the lowest that did not, in requests per second (None: nothing
    bounds it there), `at` what was measured at the former. `result.capacity.ratios` compares every two of them. A cell
    is known as well as `rules.precision` asks for, or as the time allowed: `reached` tells which. A choice under an
    objective takes the cell with the highest `bounds.low`, and those as equal whose ratio to it has an interval that
    holds 1.

    UsageError, LackError or TargetError where that cannot be done.
    """
    return capacities.run([resolve(cell) for cell in cells], rules, options, emit)


def overload(
    cell: CellLike, rules: OverloadOptions, options: ExecutionOptions = OPTIONS, emit: Emit = ignore
) -> OverloadResult:
    """Ask a cell for more than it can serve, in several fresh starts: what it serves and refuses, how it recovers."""
    return overloads.run(resolve(cell), rules, options, emit)


def server_specs(*cells: CellLike, options: ExecutionOptions = OPTIONS) -> list[ServerSpec]:
    """What the servers of cells are started from, all to be up at once on the same cores; the database is up already.

    UsageError or LackError where the machine lacks something that a cell needs.
    """
    resolved = [resolve(cell) for cell in cells]
    checked = preflight.check(resolved, options, TIMING, together=True)
    return preflight.prepare(checked, resolved, options, together=True)
