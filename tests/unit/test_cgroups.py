"""Limits of control groups: v1, v2, both at once, nested, seen from inside of a container and from outside."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.host import cgroups

GB = 1 << 30


def process(folder: Path, cgroup: str, mounts: Mapping[str, tuple[str, str, str]], files: Mapping[str, str]) -> Path:
    """A folder as `/proc/PID`. `mounts`: mount point → root, kind, options; `files`: what is in the groups."""
    (folder / "cgroup").write_text(cgroup)
    rows = [
        f"3{number} 25 0:2{number} {root} {str(folder / point).replace(' ', chr(92) + '040')} rw,nosuid shared:4 - "
        f"{kind} none {options}"
        for number, (point, (root, kind, options)) in enumerate(mounts.items())
    ]
    (folder / "mountinfo").write_text("22 1 8:1 / / rw - ext4 /dev/sda1 rw\n" + "\n".join(rows) + "\n")
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text + "\n")
    return folder


UNIFIED = {"fs": ("/", "cgroup2", "rw,nsdelegate")}


def test_a_container_of_v2_is_its_own_root(tmp_path: Path) -> None:
    files = {
        "fs/cpu.max": "50000 100000",
        "fs/cpu.stat": "usage_usec 7\nnr_periods 9\nnr_throttled 3\nthrottled_usec 250000",
        "fs/memory.max": str(GB),
        "fs/memory.current": str(GB // 2),
        "fs/memory.stat": f"anon 1\ninactive_file {GB // 4}",
    }
    found = process(tmp_path, "0::/\n", UNIFIED, files)
    assert cgroups.cpu_quota(found) == 0.5
    assert cgroups.throttling(found) == (3, 0.25)
    assert cgroups.memory_limit(found) == GB
    assert cgroups.memory_left(found) == GB - GB // 2 + GB // 4


def test_the_tightest_of_nested_groups_counts_and_all_of_them_can_stop_one(tmp_path: Path) -> None:
    files = {
        "fs/system.slice/cpu.max": "150000 100000",
        "fs/system.slice/cpu.stat": "nr_throttled 2\nthrottled_usec 1000000",
        "fs/system.slice/memory.max": str(2 * GB),
        "fs/system.slice/job.service/cpu.max": "max 100000",
        "fs/system.slice/job.service/cpu.stat": "nr_throttled 1\nthrottled_usec 500000",
        "fs/system.slice/job.service/memory.max": "max",
    }
    found = process(tmp_path, "0::/system.slice/job.service\n", UNIFIED, files)
    assert cgroups.cpu_quota(found) == 1.5
    assert cgroups.throttling(found) == (3, 1.5)
    assert cgroups.memory_limit(found) == 2 * GB


V1 = {"fs/cpu,cpuacct": ("/", "cgroup", "rw,cpu,cpuacct"), "fs/memory": ("/", "cgroup", "rw,memory")}


def test_groups_of_v1_have_a_place_for_each_controller(tmp_path: Path) -> None:
    files = {
        "fs/cpu,cpuacct/job/cpu.cfs_quota_us": "200000",
        "fs/cpu,cpuacct/job/cpu.cfs_period_us": "100000",
        "fs/cpu,cpuacct/job/cpu.stat": "nr_periods 5\nnr_throttled 4\nthrottled_time 2000000000",
        "fs/memory/other/memory.limit_in_bytes": str(GB),
        "fs/memory/other/memory.usage_in_bytes": str(GB + 1),
    }
    found = process(tmp_path, "4:memory:/other\n2:cpu,cpuacct:/job\n0::/unused\n", V1, files)
    assert cgroups.cpu_quota(found) == 2
    assert cgroups.throttling(found) == (4, 2.0)
    assert cgroups.memory_limit(found) == GB
    assert cgroups.memory_left(found) == 0


def test_no_limit_of_v1_is_a_huge_number_or_minus_one(tmp_path: Path) -> None:
    files = {
        "fs/cpu,cpuacct/cpu.cfs_quota_us": "-1",
        "fs/cpu,cpuacct/cpu.cfs_period_us": "100000",
        "fs/memory/memory.limit_in_bytes": "9223372036854771712",
    }
    found = process(tmp_path, "4:memory:/\n2:cpu,cpuacct:/\n", V1, files)
    assert cgroups.cpu_quota(found) is None
    assert cgroups.memory_limit(found) is None
    assert cgroups.memory_left(found) is None


@pytest.mark.parametrize(
    ("root", "cgroup"),
    [
        ("/docker/abc", "/docker/abc"),  # the host's name of what the container sees as the root
        ("/", "/docker/abc"),  # only that is mounted, and its name leads nowhere here
        ("/../..", "/../../kubepods/pod1"),  # a group outside of the own name space
    ],
)
def test_a_container_with_the_hosts_names_finds_its_own_group(tmp_path: Path, root: str, cgroup: str) -> None:
    mounts = {"fs/my groups": (root, "cgroup", "rw,cpu")}
    files = {"fs/my groups/cpu.cfs_quota_us": "50000", "fs/my groups/cpu.cfs_period_us": "100000"}
    assert cgroups.cpu_quota(process(tmp_path, f"1:cpu:{cgroup}\n", mounts, files)) == 0.5


@pytest.mark.parametrize(("cgroup", "mounts"), [("", {}), ("0::/\n", {}), ("1:cpu:/\n", UNIFIED), ("0::/\n", UNIFIED)])
def test_without_groups_there_is_no_limit_and_nothing_is_known(tmp_path: Path, cgroup: str, mounts: dict) -> None:  # type: ignore[type-arg]
    found = process(tmp_path, cgroup, mounts, {})
    assert cgroups.cpu_quota(found) is None
    assert cgroups.throttling(found) is None
    assert cgroups.memory_limit(found) is None


def test_this_machine_can_be_read() -> None:
    assert (cgroups.cpu_quota() or 1) > 0
    assert (cgroups.memory_left() or 0) >= 0
