"""Plans: axes to cells, what cannot exist, which are up at once, files, and the options of the command line."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest

from harness.config import expand, files, grouping, presets
from harness.config.grouping import Computing
from harness.config.matrix import MatrixOptions, matrix_plan, refuse_with_resume, workloads
from harness.config.parsing import split_list, split_numbers, split_rates, split_servers
from harness.errors import UsageError
from harness.experiments import matrix
from harness.experiments.matrix import forecast, rules_of
from harness.model.plan import Axes, Plan
from harness.report import plan as shown
from harness.stats.simultaneous import LEAST_RESTARTS

ROOT = Path(__file__).resolve().parent.parent.parent


def names(*groups: Axes) -> list[str]:
    return [each.label for each in expand.expand(Plan(cells=list(groups))).cells]


def test_axes_are_multiplied() -> None:
    found = names(Axes(server=["uvicorn", "granian"], style=["async", "sync"], workload=["noop"], workers=[1, 4]))
    assert len(found) == 8
    assert "granian/fastapi/sync/noop/w4/c16" in found


def test_what_cannot_exist_is_left_out_with_its_reason() -> None:
    wanted = Plan(cells=[Axes(framework=["fastapi", "flask"], style=["async", "blocking"], workload=["mixed"])])
    found = expand.expand(wanted)
    assert [each.label for each in found.cells] == [
        "uvicorn/fastapi/async/mixed?ms=100/w1/c16",
        "uvicorn/flask/async/mixed?ms=100/w1/c16",
    ]
    assert [cell for cell, _ in found.impossible] == [
        "uvicorn/fastapi/blocking/mixed/w1/c16",
        "uvicorn/flask/blocking/mixed/w1/c16",
    ]
    assert all(reason for _, reason in found.impossible)


def test_an_unknown_name_is_an_error_and_no_impossible_cell() -> None:
    with pytest.raises(UsageError, match="unknown server 'unicorn'"):
        expand.expand(Plan(cells=[Axes(server=["unicorn", "uvicorn"])]))


def test_a_plan_of_which_nothing_can_exist_is_refused() -> None:
    with pytest.raises(UsageError, match="nothing of the plan can exist; uvicorn/fastapi/blocking/mixed"):
        expand.expand(Plan(cells=[Axes(style=["blocking"], workload=["mixed"])]))


def test_pool_sizes_are_for_workloads_with_a_database_only() -> None:
    found = names(Axes(workload=["noop", "select"], pool_size=[5, 20]))
    assert found == [
        "uvicorn/fastapi/async/noop/w1/c16",
        "uvicorn/fastapi/async/select?user_id=1/w1/p5/c16",
        "uvicorn/fastapi/async/select?user_id=1/w1/p20/c16",
    ]


def test_a_cell_that_two_products_have_is_one() -> None:
    assert len(names(Axes(server=["uvicorn", "granian"]), Axes(server=["granian", "hypercorn"]))) == 3


def test_closed_and_open_loads_are_one_axis() -> None:
    assert [name.rpartition("/")[2] for name in names(Axes(vus=[10, 50], rate=[200.0]))] == ["c10", "c50", "r200"]
    assert [name.rpartition("/")[2] for name in names(Axes(rate=[200.0]))] == ["r200"]


def test_the_cell_that_is_there_twice_is_not_held_at_a_ceiling() -> None:
    expansion = expand.expand(Plan(cells=[Axes(workload=["sleep", "mixed", "noop", "cpu"])]))
    assert expansion.cells[expand.repeated(expansion)].cell.variant.application.workload == "cpu"
    assert expand.repeated(expand.expand(Plan(cells=[Axes(workload=["sleep", "mixed"])]))) == 0


def test_noop_is_there_twice_only_where_all_else_waits() -> None:
    assert expand.repeated(expand.expand(Plan(cells=[Axes(workload=["sleep", "noop"])]))) == 1


def test_the_server_that_all_are_compared_with_comes_first_and_is_what_sets_share() -> None:
    servers = ["granian", "gunicorn", "hypercorn", "uvicorn"]
    axes = Axes(server=servers, style=["async", "sync"], workers=[1, 2, 3], workload=["cpu"])
    expansion = expand.expand(Plan(cells=[axes], against="hypercorn"))
    of_base = [each.cell.variant.server == "hypercorn" for each in expansion.cells]
    assert of_base == [True] * 6 + [False] * 18
    assert {each.label for each in expansion.cells} == {each.label for each in expand.expand(Plan(cells=[axes])).cells}
    found, twice = matrix.sets_of(expansion, Plan(cells=[axes], against="hypercorn"), grouping.Room())
    assert twice == 0
    assert len(found) > 1
    assert {each.reference for each in found} == {0}


@pytest.mark.parametrize(
    ("servers", "said"),
    [(["uvicorn", "granian"], "--against nginx: no configuration has it"), (["uvicorn"], "there is no other server")],
)
def test_a_server_to_compare_with_that_makes_no_ratio_is_refused(servers: list[str], said: str) -> None:
    base = "nginx" if len(servers) > 1 else "uvicorn"
    with pytest.raises(UsageError, match=said):
        expand.expand(Plan(cells=[Axes(server=servers)], against=base))


def test_options_are_repeated_or_separated_by_commas() -> None:
    assert split_list(["a,b", " c "]) == ["a", "b", "c"]
    assert split_servers(["uvicorn:loop=asyncio,http=h11,granian", "gunicorn"]) == [
        "uvicorn:loop=asyncio,http=h11",
        "granian",
        "gunicorn",
    ]
    assert split_numbers("--workers", ["1,2", "4"]) == [1, 2, 4]
    with pytest.raises(UsageError, match="--workers 1,two"):
        split_numbers("--workers", ["1,two"])
    assert split_rates("--rate", ["12.5,200"]) == [12.5, 200.0]
    with pytest.raises(UsageError, match="--rate fast"):
        split_rates("--rate", ["fast"])


def test_a_common_parameter_goes_to_the_workloads_that_have_it() -> None:
    assert workloads(["sleep", "noop", "mixed?ms=5"], ["ms=20"]) == ["sleep?ms=20", "noop", "mixed?ms=5&ms=20"]
    with pytest.raises(UsageError, match="no workload of the matrix has it"):
        workloads(["noop"], ["ms=20"])


def test_options_make_the_plan_that_a_file_would() -> None:
    given = MatrixOptions(server=["uvicorn,granian"], workers=["1,2"], workload=["select"], param=["user_id=random"])
    made = matrix_plan(given, {"precision": "2%", "aa": False, "seed": None}, None, None)
    assert made == Plan(
        cells=[Axes(server=["uvicorn", "granian"], workers=[1, 2], workload=["select?user_id=random"])],
        precision="2%",
        aa=False,
    )


def test_a_plan_as_a_file_is_the_same_plan(tmp_path: Path) -> None:
    given = MatrixOptions(server=["uvicorn:loop=asyncio,granian"], style=["async,sync"], vus=["10"])
    made = matrix_plan(given, {"max_time": "10m", "aa": False}, None, None)
    file = tmp_path / "plan.toml"
    file.write_text("\n".join(shown.toml(made)))
    assert files.load(file) == made


def test_the_plan_of_a_project_is_its_own_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text('[tool.harness.matrix]\nseed = 2\ncells = [{ server = ["granian"] }]\n')
    assert matrix_plan(MatrixOptions(), {}, None, None) == Plan(cells=[Axes(server=["granian"])], seed=2)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("seed = 2", "cells: field required"),
        ("blocks = 2\n[[cells]]", "blocks: extra inputs are not permitted"),
        ('aa = "maybe"\n[[cells]]', "aa: input should be a valid boolean"),
        ('[[cells]]\nserver = "uvicorn"', "cells.0.server: input should be a valid list"),
        ("[[cells]]\nservers = []", "cells.0.servers: extra inputs are not permitted"),
        ("[[cells]]\nworkers = [1.5]", "cells.0.workers.0"),
        ("seed =", "is no TOML"),
    ],
)
def test_a_plan_that_is_wrong_is_told_where(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "plan.toml"
    file.write_text(text)
    with pytest.raises(UsageError, match=says):
        files.load(file)


@pytest.mark.parametrize(
    ("given", "file", "preset", "says"),
    [
        (MatrixOptions(), None, None, "nothing says what to measure"),
        (MatrixOptions(server=["uvicorn"]), None, "quick", "its axes are its own"),
        (MatrixOptions(server=["uvicorn"]), Path("x.toml"), None, "its axes are its own"),
        (MatrixOptions(), Path("x.toml"), "quick", "together"),
        (MatrixOptions(), Path("x.toml"), None, "cannot read x.toml"),
        (MatrixOptions(), None, "slow", "unknown preset 'slow'"),
    ],
)
def test_what_does_not_go_together_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    given: MatrixOptions,
    file: Path | None,
    preset: str | None,
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=says):
        matrix_plan(given, {}, file, preset)


def test_resuming_takes_no_other_plan() -> None:
    refuse_with_resume(MatrixOptions(), {"max_time": None}, None)
    with pytest.raises(UsageError, match="--max-time"):
        refuse_with_resume(MatrixOptions(), {"max_time": "2m"}, None)


@pytest.mark.parametrize("name", presets.names())
def test_presets_can_be_carried_out(name: str) -> None:
    found = expand.expand(presets.preset(name))
    assert not found.impossible
    assert len(found.cells) > 3


def test_there_are_presets_and_others_are_refused() -> None:
    assert set(presets.names()) >= {"article", "quick", "servers"}
    with pytest.raises(UsageError, match="unknown preset 'slow'") as caught:
        presets.preset("slow")
    assert "quick" in caught.value.cure


@pytest.mark.parametrize(("name", "minutes"), [("quick", 2), ("servers", 50)])
def test_a_preset_fits_into_its_time(name: str, minutes: float) -> None:
    wanted = presets.preset(name)
    found = forecast(wanted, expand.expand(wanted))
    assert found.seconds <= found.most_seconds + 1e-6 == minutes * 60 + 1e-6
    assert not any("too short" in line for line in shown.lines(wanted, expand.expand(wanted), found))


@pytest.mark.parametrize("name", ["quick", "servers"])
def test_presets_load_what_computes_or_queries_with_few_users(name: str) -> None:
    assert {users for axes in presets.preset(name).cells for users in axes.vus or ()} == {16}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"precision": "wide"}, "precision wide: not a share"),
        ({"margin": "0"}, "margin 0: not a share"),
        ({"max_time": "soon"}, "max_time soon: not a duration"),
    ],
)
def test_numbers_of_a_plan_are_checked_before_anything_is_started(changes: dict[str, str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        rules_of(Plan(cells=[Axes()]).model_copy(update=changes))


def test_a_dry_run_shows_sets_time_precision_and_what_cannot_exist() -> None:
    wanted = Plan(cells=[Axes(workload=["mixed"], style=["async", "blocking"], server=["uvicorn", "granian"])])
    expansion = expand.expand(wanted)
    text = list(shown.lines(wanted, expansion, forecast(wanted, expansion)))
    assert re.match(r"2 configurations, up at once: \d+ (s|min) for the fewest restarts, 60 min at most", text[1])
    assert re.search(r"about ±\d\.\d% on a calm machine", text[2])
    assert any(line.endswith("(once more: A/A)") for line in text)
    assert any("blocking/mixed/w1/c16: " in line and "cannot exist" in line for line in text)


def test_what_requests_compute_and_wait_for_is_part_of_the_time_that_is_foretold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine = Computing(call_seconds=1e-7, cores=1)
    monkeypatch.setattr(matrix, "_computing", lambda pin, workers: machine)

    def foretold(**axes: Any) -> float:
        wanted = Plan(cells=[Axes(**axes)], aa=False)
        return forecast(wanted, expand.expand(wanted)).seconds / LEAST_RESTARTS

    assert foretold(workload=["cpu?n=16"]) < 8
    # A response takes 32 × 0.269 s. It is seen in a first slot of 0.25 s and another of 15 s at most, 13 of them are a
    # slot, and what is queued is served after each of the three.
    response = 32 * (2 * 1_346_269 - 1) * 1e-7
    assert foretold(workload=["cpu?n=30"], vus=[32]) == pytest.approx(15 + 16 * response, abs=4)
    # 250 users and 80 threads that sleep for a second: 3.125 s; a wait of 1 s begins with 4 s.
    slept = foretold(workload=["sleep?ms=1000"], style=["sync"], workers=[2], vus=[250])
    assert slept == pytest.approx(4 + 2.2 * 3.125 + 13 * 3.125 + 3 * 3.125, abs=4)


def test_a_dry_run_begins_with_what_this_machine_can_answer() -> None:
    wanted = Plan(cells=[Axes(server=["uvicorn", "granian"])])
    expansion = expand.expand(wanted)
    first = next(shown.lines(wanted, expansion, forecast(wanted, expansion)))
    assert re.search(r"\d cores?, .*: it can compare servers, handler styles and threads", first)


LIMITED = "limited by the load"


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        (Axes(workload=["sleep?ms=100"], vus=[100]), "every cell is limited by the load: 100 users ÷ 0.1 s = 1,000"),
        (Axes(workload=["sleep?ms=100"], vus=[200]), None),  # more than every server serves
        (Axes(workload=["sleep?ms=100"], style=["sync"], vus=[100]), None),  # threads are what is short
        (Axes(workload=["sleep?ms=100"], style=["sync"], vus=[40]), "every cell is limited"),
        (Axes(workload=["sleep?ms=100"], style=["blocking"], vus=[8]), None),  # and here the event loop
        (Axes(workload=["sleep?ms=100", "cpu"], vus=[16]), "1 of 2 cells are limited"),
        (Axes(workload=["sleep?ms=100"], rate=[100.0]), None),
        (Axes(), None),
    ],
)
def test_a_plan_that_is_limited_by_its_load_says_so_before_it_is_measured(axes: Axes, said: str | None) -> None:
    wanted = Plan(cells=[axes])
    expansion = expand.expand(wanted)
    limited = expand.load_limited(expansion.cells)
    assert (limited is None) == (said is None)
    assert said is None or said in (limited or "")
    assert (LIMITED in "\n".join(shown.lines(wanted, expansion, forecast(wanted, expansion)))) == (said is not None)


def test_a_dry_run_says_where_the_time_is_too_short() -> None:
    wanted = Plan(cells=[Axes(server=["uvicorn", "granian"])], max_time="5s")
    expansion = expand.expand(wanted)
    assert "--max-time 5s is too short" in "\n".join(shown.lines(wanted, expansion, forecast(wanted, expansion)))


def test_the_schema_that_is_shipped_is_the_plan_s() -> None:
    stored = json.loads((ROOT / "harness" / "data" / "plan.schema.json").read_text())
    assert stored == Plan.model_json_schema()


def test_each_cell_has_a_written_form_of_its_own() -> None:
    expansion = expand.expand(Plan(cells=[Axes(server=["uvicorn", "granian"], style=["async", "sync"])]))
    assert all(a.label != b.label for a, b in itertools.combinations(expansion.cells, 2))
