"""The folder for data that outlives a run: where it is, whose it is, who may reach it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from harness.errors import LackError
from harness.host import accounts, affinity, paths

ROOT = os.geteuid() == 0
USER = os.geteuid() or 1000


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home folder of an ordinary user, who runs this."""
    if ROOT:
        os.chown(tmp_path, USER, USER)
    monkeypatch.setattr(os, "geteuid", lambda: USER)
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_data_of_users_are_in_their_home_folder(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert paths.home() == user / ".local" / "share" / "harness"
    monkeypatch.setenv("XDG_DATA_HOME", str(user))
    assert paths.home() == user / "harness"


@pytest.mark.parametrize("home", ["", "relative", "/", "/nonexistent"])
def test_who_has_no_home_folder_shares_one(user: Path, monkeypatch: pytest.MonkeyPatch, home: str) -> None:
    monkeypatch.setenv("HOME", home)
    monkeypatch.setenv("XDG_DATA_HOME", home)
    monkeypatch.setattr(paths, "SHARED", user)
    assert paths.home() == user / f"harness-{USER}"


def test_data_of_root_are_where_another_user_may_reach_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(paths, "STATE", tmp_path)
    assert paths.home() == tmp_path / "harness"
    monkeypatch.setattr(paths, "STATE", tmp_path / "missing")
    monkeypatch.setattr(paths, "SHARED", tmp_path)
    assert paths.home() == tmp_path / "harness-0"


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_folder_that_is_made_is_reached_by_who_has_to_whatever_the_umask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, umask: int
) -> None:
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "above" / "data"))
    before = os.umask(umask)
    try:
        made = paths.own()
    finally:
        assert os.umask(before) == umask
    wanted = 0o755 if ROOT else 0o700
    assert stat.S_IMODE(made.stat().st_mode) == wanted
    assert stat.S_IMODE(made.parent.stat().st_mode) == wanted


def test_a_folder_that_others_have_a_hand_in_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("HARNESS_DATA", str(folder))
    folder.chmod(0o757)
    with pytest.raises(LackError, match="everybody may write"):
        paths.home()
    folder.chmod(0o775)  # as an umask of 002 makes them, where each user is a group
    assert paths.home() == folder
    monkeypatch.setattr(os, "geteuid", lambda: USER + 1)
    with pytest.raises(LackError, match="belongs to another user"):
        paths.home()


def test_a_link_is_followed_where_the_user_has_named_it_and_nowhere_else(
    user: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "SHARED", user / "shared")
    monkeypatch.setenv("HOME", "")
    target, link = user / "target", user / "shared" / f"harness-{USER}"
    target.mkdir()
    os.chown(target, USER, -1)
    link.parent.mkdir()
    link.symlink_to(target)
    with pytest.raises(LackError, match="is no folder"):
        paths.home()
    monkeypatch.setenv("HARNESS_DATA", str(link))
    assert paths.home() == link


@pytest.mark.skipif(not ROOT, reason="only root may act as another user")
def test_root_acts_as_another_user_for_a_while(tmp_path: Path) -> None:
    os.chown(tmp_path, USER, USER)
    with accounts.acting_as_owner(tmp_path):
        assert (os.geteuid(), os.getegid()) == (USER, USER)
    assert (os.geteuid(), os.getegid()) == (0, os.getgid())
    with accounts.acting_as_owner(tmp_path / "nothing"):
        assert os.geteuid() == 0


def test_postgres_that_may_not_be_moved_stays_where_nothing_else_was_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(pid: int, cores: object) -> None:
        raise ProcessLookupError if pid == 2 else PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setaffinity", refuse)
    affinity.place_database([1, 2], None)
    affinity.place_database([2], [0])
    with pytest.raises(LackError, match="cannot place Postgres"):
        affinity.place_database([1], [0])
