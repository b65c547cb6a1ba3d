"""The example as a program: many clients at once never get more than there is."""

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER))
sys.path.insert(0, str(FOLDER.parents[1] / "tests" / "python"))

from limiter import Limiter  # noqa: E402
from servers import ServerProcess  # noqa: E402

BURST = 50


@pytest.fixture
def server() -> Iterator[ServerProcess]:
    # No token comes back while the test runs.
    options = ["--port", "0", "--workers", "4", "--rate", "0", "--burst", str(BURST)]
    with ServerProcess([sys.executable, FOLDER, *options], together=True) as server:
        yield server
        assert server.end() == 0
        assert "Traceback" not in server.output()


def test_all_workers_count_together(server: ServerProcess) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: server.get("/")[0].status, range(3 * BURST)))
    assert sorted(answers) == [200] * BURST + [429] * 2 * BURST
    response, body = server.get("/statistics")
    assert response.status == 200
    assert json.loads(body) == {"allowed": BURST, "refused": 2 * BURST}


def test_the_limiter_alone() -> None:
    now = 0.0
    limiter = Limiter(2, 3, lambda: now)
    assert [limiter.allow("a") for _ in range(4)] == [True, True, True, False]
    assert limiter.allow("b")
    now = 0.5  # one token more
    assert [limiter.allow("a") for _ in range(2)] == [True, False]
    now = 100.0  # as many as at first, and no more
    assert [limiter.allow("a") for _ in range(4)] == [True, True, True, False]
