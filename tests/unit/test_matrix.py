"""Plans: axes to cells, what cannot exist, the order of visits, files, and the options of the command line."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from harness.config import expand, files, presets
from harness.config.matrix import MatrixOptions, matrix_plan, refuse_with_resume, workloads
from harness.config.parsing import parse_timing, split_list, split_numbers, split_rates, split_servers
from harness.errors import UsageError
from harness.model.plan import Axes, Plan
from harness.report import plan as shown

ROOT = Path(__file__).resolve().parent.parent.parent


def names(*groups: Axes) -> list[str]:
    return [each.label for each in expand.expand(Plan(cells=list(groups))).cells]


def test_axes_are_multiplied() -> None:
    found = names(Axes(server=["uvicorn", "granian"], style=["async", "sync"], workload=["noop"], workers=[1, 4]))
    assert len(found) == 8
    assert "granian/fastapi/sync/noop/w4/c100" in found


def test_what_cannot_exist_is_left_out_with_its_reason() -> None:
    wanted = Plan(cells=[Axes(framework=["fastapi", "flask"], style=["async", "blocking"], workload=["mixed"])])
    found = expand.expand(wanted)
    assert [each.label for each in found.cells] == [
        "uvicorn/fastapi/async/mixed?ms=100/w1/c100",
        "uvicorn/flask/async/mixed?ms=100/w1/c100",
    ]
    assert [cell for cell, _ in found.impossible] == [
        "uvicorn/fastapi/blocking/mixed/w1/c100",
        "uvicorn/flask/blocking/mixed/w1/c100",
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
        "uvicorn/fastapi/async/noop/w1/c100",
        "uvicorn/fastapi/async/select?user_id=1/w1/p5/c100",
        "uvicorn/fastapi/async/select?user_id=1/w1/p20/c100",
    ]


def test_a_cell_that_two_products_have_is_one() -> None:
    assert len(names(Axes(server=["uvicorn", "granian"]), Axes(server=["granian", "hypercorn"]))) == 3


def test_closed_and_open_loads_are_one_axis() -> None:
    assert [name.rpartition("/")[2] for name in names(Axes(vus=[10, 50], rate=[200.0]))] == ["c10", "c50", "r200"]
    assert [name.rpartition("/")[2] for name in names(Axes(rate=[200.0]))] == ["r200"]


@pytest.mark.parametrize(("cells", "blocks"), [(1, 1), (5, 8), (12, 7)])
def test_each_block_has_every_cell_once_and_one_twice(cells: int, blocks: int) -> None:
    found = expand.order(cells, blocks, seed=3)
    assert len(found) == blocks
    assert all(sorted(block) == list(range(cells + 1)) for block in found)
    assert all(found[place + 1] == found[place][::-1] for place in range(0, blocks - 1, 2))


def test_the_order_follows_from_the_seed() -> None:
    assert expand.order(20, 4, seed=1) == expand.order(20, 4, seed=1)
    assert expand.order(20, 4, seed=1) != expand.order(20, 4, seed=2)
    first, third = expand.order(20, 4, seed=1)[0], expand.order(20, 4, seed=1)[2]
    assert first != third


def test_the_cell_that_is_visited_twice_is_not_held_at_a_ceiling() -> None:
    expansion = expand.expand(Plan(cells=[Axes(workload=["sleep", "mixed", "noop", "cpu"])]))
    assert expansion.cells[expand.repeated(expansion)].cell.variant.application.workload == "cpu"
    assert expand.repeated(expand.expand(Plan(cells=[Axes(workload=["sleep", "mixed"])]))) == 0


def test_noop_is_visited_twice_only_where_all_else_waits() -> None:
    assert expand.repeated(expand.expand(Plan(cells=[Axes(workload=["sleep", "noop"])]))) == 1


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
    made = matrix_plan(given, {"blocks": 3, "seed": None}, None, None)
    assert made == Plan(
        cells=[Axes(server=["uvicorn", "granian"], workers=[1, 2], workload=["select?user_id=random"])], blocks=3
    )


def test_a_plan_as_a_file_is_the_same_plan(tmp_path: Path) -> None:
    given = MatrixOptions(server=["uvicorn:loop=asyncio,granian"], style=["async,sync"], vus=["10"])
    made = matrix_plan(given, {"warmup": "1s"}, None, None)
    file = tmp_path / "plan.toml"
    file.write_text("\n".join(shown.toml(made)))
    assert files.load(file) == made


def test_the_plan_of_a_project_is_its_own_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text('[tool.harness.matrix]\nblocks = 2\ncells = [{ server = ["granian"] }]\n')
    assert matrix_plan(MatrixOptions(), {}, None, None) == Plan(cells=[Axes(server=["granian"])], blocks=2)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("blocks = 2", "cells: field required"),
        ("blocks = 0\n[[cells]]", "blocks: input should be greater than or equal to 1"),
        ('[[cells]]\nserver = "uvicorn"', "cells.0.server: input should be a valid list"),
        ("[[cells]]\nservers = []", "cells.0.servers: extra inputs are not permitted"),
        ("[[cells]]\nworkers = [1.5]", "cells.0.workers.0"),
        ("blocks =", "is no TOML"),
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
    refuse_with_resume(MatrixOptions(), {"blocks": None}, None, None)
    with pytest.raises(UsageError, match="--blocks"):
        refuse_with_resume(MatrixOptions(), {"blocks": 2}, None, None)


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


def test_the_quick_preset_is_quick() -> None:
    wanted = presets.preset("quick")
    visits = sum(map(len, expand.order(len(expand.expand(wanted).cells), wanted.blocks, wanted.seed)))
    timing = parse_timing(wanted.warmup, wanted.duration)
    assert visits * (timing.warmup_seconds + timing.window_seconds + shown.OVERHEAD_SECONDS) <= 180


def test_a_dry_run_shows_cells_time_and_what_cannot_exist() -> None:
    wanted = Plan(cells=[Axes(workload=["mixed"], style=["async", "blocking"])], blocks=2, warmup="1s", duration="4s")
    text = list(shown.lines(wanted, expand.expand(wanted), parse_timing("1s", "4s")))
    assert text[0].startswith("1 cell, visited twice, in 2 blocks: 4 visits of 1 s warm-up and 4 s window, about 32 s")
    assert any("blocking/mixed/w1/c100: " in line and "cannot exist" in line for line in text)


def test_the_schema_that_is_shipped_is_the_plan_s() -> None:
    stored = json.loads((ROOT / "harness" / "data" / "plan.schema.json").read_text())
    assert stored == Plan.model_json_schema()


def test_visits_that_differ_only_in_order_are_no_other_cells() -> None:
    expansion = expand.expand(Plan(cells=[Axes(server=["uvicorn", "granian"], style=["async", "sync"])]))
    assert all(a.label != b.label for a, b in itertools.combinations(expansion.cells, 2))
