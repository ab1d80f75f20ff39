"""Ports of servers: each its own, although none of them is bound when the next one is given."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.host import ports
from harness.host.ports import HOST, check_port, free_port


def client_ports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    (tmp_path / "range").write_text(text, encoding="ascii")
    monkeypatch.setattr(ports, "CLIENT_PORTS", tmp_path / "range")


def test_servers_that_are_launched_together_have_ports_of_their_own() -> None:
    given = [free_port() for _ in range(ports.RECENT)]
    assert len(set(given)) == len(given)


def test_what_another_process_has_is_not_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "ENOUGH", 2)
    monkeypatch.setattr(ports, "LOWEST", first := free_port())
    client_ports(tmp_path, monkeypatch, f"{first + 2}\t65535\n")  # leaves two
    ports._given.clear()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # with which two servers would share their requests
        other.bind((HOST, first))
        other.listen()
        assert free_port() == first + 1


@pytest.mark.parametrize(
    ("clients", "lowest", "highest"),
    [("32768 60999", ports.LOWEST, 32767), ("16384 50000", 50001, 65535), ("1024 65535", 1024, 65535)],
)
def test_no_client_is_given_the_port_of_a_server_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clients: str, lowest: int, highest: int
) -> None:
    client_ports(tmp_path, monkeypatch, clients)
    assert all(lowest <= free_port() <= highest for _ in range(50))


@pytest.mark.parametrize("text", ["", "nonsense"])
def test_where_nothing_is_known_of_clients_any_free_port_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    client_ports(tmp_path, monkeypatch, text)
    given = [free_port() for _ in range(50)]
    assert len(set(given)) == 50


def test_a_port_on_which_somebody_listens_is_refused() -> None:
    with socket.create_server((HOST, 0)) as other, pytest.raises(UsageError, match="cannot listen on port"):
        check_port(other.getsockname()[1])
