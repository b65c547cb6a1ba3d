"""`allcores serve`: where it listens: ports, addresses, unix sockets, descriptors, systemd's."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from commands import APPLICATION, answer, command, fails, folder, serve
from servers import ServerProcess, connect_unix

__all__ = ["folder"]  # the fixture


# Where it listens


def test_a_port_that_is_taken(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        status, text = fails(folder, "main:app", f"--port={port}", "--workers=1")
    assert status == 1
    assert text == (
        f"allcores: port {port} on 127.0.0.1 is taken: stop what listens there, "
        "or choose another port\n"
    )


def test_several_addresses(folder: Path) -> None:
    with serve(folder, "--host", "127.0.0.1", "--host", "127.0.0.2", "--host=127.0.0.1") as server:
        assert (
            f"http://127.0.0.1:{server.port} and http://127.0.0.2:{server.port} with"
            in (server.lines[0])
        )
        for host in ("127.0.0.1", "127.0.0.2"):
            server.host = host
            assert answer(server)["client"].startswith("127.0.0.")  # type: ignore[attr-defined]
        assert server.end() == 0


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="this system has no IPv6")
def test_ipv6(folder: Path) -> None:
    with serve(folder, "--host=127.0.0.1", "--host=::1") as server:
        assert f" and http://[::1]:{server.port}" in server.lines[0]
        server.host = "::1"
        assert answer(server)["client"] == "::1"
        assert server.end() == 0


def test_an_unknown_host(folder: Path) -> None:
    status, text = fails(folder, "main:app", "--host=no.such.host.invalid", "--workers=1")
    assert status == 1
    assert text.startswith("allcores: can't listen on no.such.host.invalid port 8000: ")


def test_a_unix_socket(folder: Path) -> None:
    path = folder / "x.sock"
    with serve(folder, "--uds", path) as server:
        assert f"serving on unix:{path} with" in server.lines[0]
        assert path.is_socket()
        assert path.stat().st_mode & 0o777 == 0o666
        assert answer(server)["client"] == ""
        # A second one is refused, and the first lives on.
        status, text = fails(folder, "main:app", "--uds", path, "--workers=1")
        assert (status, text) == (1, f"allcores: {path} is taken: a server listens there\n")
        assert answer(server)["scheme"] == "http"
        assert server.end() == 0
        assert not path.exists()


def test_a_unix_socket_beside_a_port(folder: Path) -> None:
    path = folder / "x.sock"
    with serve(folder, "--uds", path, "--port=0", "--uds-permissions=600") as server:
        assert f"http://127.0.0.1:{server.port} and unix:{path} with" in server.lines[0]
        assert path.stat().st_mode & 0o777 == 0o600
        assert answer(server)["client"] == "127.0.0.1"
        with connect_unix(path) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")
        assert server.end() == 0
        assert not path.exists()


def test_a_socket_that_was_left_behind_is_replaced(folder: Path) -> None:
    path = folder / "x.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
        dead.listen()
    assert path.is_socket()
    with serve(folder, "--uds", path) as server:
        assert answer(server)["client"] == ""
        # Whoever has put another there keeps it.
        path.unlink()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(path))
            assert server.end() == 0
            assert path.is_socket()


def test_a_path_that_is_no_socket(folder: Path) -> None:
    status, text = fails(folder, "main:app", "--uds=main.py", "--workers=1")
    assert status == 1
    assert text.startswith("allcores: main.py is there and is no socket")
    assert (folder / "main.py").read_text() == APPLICATION
    status, text = fails(folder, "main:app", "--uds=none/x.sock", "--workers=1")
    assert text == "allcores: can't listen on none/x.sock: No such file or directory\n"
    status, text = fails(folder, "main:app", f"--uds={'x' * 200}", "--workers=1")
    assert text.endswith("File name too long\n")


def test_a_descriptor(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        number = listening.fileno()
        line = command(folder, "main:app", f"--fd={number}", "--workers=1")
        process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True, pass_fds=[number])
        try:
            assert process.stdout is not None
            port = listening.getsockname()[1]
            assert f"serving on http://127.0.0.1:{port} with 1 worker" in process.stdout.readline()
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")
        finally:
            process.terminate()
            process.communicate(timeout=30)
        assert process.returncode == 0
        # It is still open here: who comes now waits for the next server.
        with socket.create_connection(("127.0.0.1", port)):
            assert listening.accept()[0].close() is None


def test_a_descriptor_that_is_none(folder: Path) -> None:
    status, text = fails(folder, "main:app", "--fd=77", "--workers=1")
    assert (status, text) == (1, "allcores: can't listen on descriptor 77: Bad file descriptor\n")
    status, text = fails(folder, "main:app", "--fd=2", "--workers=1")
    assert text.startswith("allcores: can't listen on descriptor 2: Socket operation on non-socket")


# Started as systemd does: exec keeps the process's number.
BY_SYSTEMD = """
import os, socket, sys
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
os.dup2(listening.fileno(), 3)
os.set_inheritable(3, True)
os.environ["LISTEN_PID"] = str(os.getpid() + int(sys.argv[1]))
os.environ["LISTEN_FDS"] = "1"
os.execv(sys.argv[2], sys.argv[2:])
"""


@pytest.mark.parametrize("other", [False, True])
def test_sockets_of_systemd(folder: Path, other: bool) -> None:
    line = command(folder, "main:app", "--workers=1", *(["--port=0"] if other else []))
    start = [sys.executable, "-c", BY_SYSTEMD, "0"]
    with ServerProcess([*start, *line]) as server:
        port = int(server.lines[0])
        assert (server.port == port) is not other
        assert answer(server)["client"] == "127.0.0.1"
        assert server.end() == 0


def test_sockets_for_another_process_are_not_taken(folder: Path) -> None:
    line = command(folder, "main:app", "--workers=1")
    with ServerProcess([sys.executable, "-c", BY_SYSTEMD, "1", *line], {"PORT": "0"}) as server:
        assert server.port != int(server.lines[0])
        assert server.end() == 0
