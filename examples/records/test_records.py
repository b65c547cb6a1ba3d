"""The example as a program, asked over sockets; and that a worker costs no copy of the records."""

import json
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parents[1] / "tests" / "python"))

from servers import ServerProcess  # noqa: E402

pytest.importorskip("fastapi", reason="the stage `examples` of ./test installs it")

COUNT = 300_000


def program(workers: int) -> ServerProcess:
    options = ["--port", "0", "--workers", str(workers), "--records", str(COUNT)]
    return ServerProcess([sys.executable, FOLDER, *options], together=True)


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with program(3) as server:
        yield server
        assert server.end() == 0
        assert "Traceback" not in server.output()


def get(server: ServerProcess, path: str, status: int = 200) -> object:
    response, body = server.get(path)
    assert response.status == status, body
    return json.loads(body)


def test_one_record(server: ServerProcess) -> None:
    found = get(server, "/records/1234")
    assert isinstance(found, dict)
    assert (found["number"], found["city"]) == (1234, "Kyiv")
    assert found["balance"] == (1234 * 37 - 100_000) / 100
    assert get(server, f"/search?prefix={found['name']}&limit=1") == [found]
    get(server, f"/records/{COUNT}", 404)
    get(server, "/records/-1", 422)


def test_search_is_in_order(server: ServerProcess) -> None:
    found = get(server, "/search?prefix=bab&limit=100")
    assert isinstance(found, list) and len(found) == 100
    names = [each["name"] for each in found]
    assert names == sorted(names) and all(name.startswith("Bab") for name in names)
    assert get(server, "/search?prefix=zz") == []


def test_all_workers_see_the_same(server: ServerProcess) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: get(server, "/cities/Lima"), range(24)))
    assert all(each == answers[0] for each in answers)
    assert isinstance(answers[0], dict) and answers[0]["records"] == COUNT // 10


def memory(workers: int) -> float:
    """MiB of the process once each of its workers has served."""
    with program(workers) as server:
        with ThreadPoolExecutor(workers * 4) as pool:
            list(pool.map(lambda _: get(server, "/cities/Lima"), range(workers * 20)))
        status = Path(f"/proc/{server.process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1024


def test_a_worker_has_no_copy_of_the_records() -> None:
    """A copy would be at least 64 bytes and a name for each record."""
    one, five = memory(1), memory(5)
    copy = COUNT * (64 + 60) / 2**20
    assert (five - one) / 4 < copy, f"{one} and {five} MiB, a copy is {copy}"
