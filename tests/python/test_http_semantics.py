"""The cases of tests/conformance/http_semantics over real sockets: allcores.serve, and the C++
server on its own where it is built."""

import contextlib
import sys
from pathlib import Path

import pytest

folder = Path(__file__).resolve().parents[1] / "conformance" / "http_semantics"
sys.path.insert(0, str(folder))
try:
    from cases import CASES
    from running import commands, running
    from script import Answer, Case, End, HalfClose
    from wire import Connection, Response
finally:
    sys.path.remove(str(folder))


@pytest.fixture(scope="module", params=commands)
def port(request, tmp_path_factory):
    with running(request.param, tmp_path_factory.mktemp("served")) as port:
        yield port


def check(answer: Answer, response: Response) -> None:
    assert response.status in answer.statuses, response
    if response.status != 200 or answer.to_head:
        return
    echo = response.echo()
    for name in ("method", "path"):
        expected = getattr(answer, name)
        assert expected is None or echo[name] == expected
    if answer.body is not None:
        assert echo["body"].encode("latin-1") == answer.body
    for name, value in answer.fields.items():
        assert [text for key, text in echo["fields"] if key == name] == (
            [] if value is None else [value]
        )


def play(case: Case, connection: Connection, piece: int) -> None:
    last = None
    for step in case.steps:
        if isinstance(step, bytes):
            for start in range(0, len(step), piece):
                connection.send(step[start : start + piece])
        elif isinstance(step, HalfClose):
            connection.half_close()
        else:
            last = connection.response(to_head=step.to_head)
            if step.perhaps_continue and last.status == 100:
                last = connection.response(to_head=step.to_head)
            check(step, last)
    if case.end is End.CLOSED:
        # Half closed by the client, nobody needs to be told.
        if last is not None and not any(isinstance(step, HalfClose) for step in case.steps):
            assert last.get("connection") == "close"
        connection.require_closed()
    elif case.end is End.OPEN:
        assert last.get("connection") in (None, "keep-alive")
        connection.require_open()


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
def test_at_once(port, case):
    with contextlib.closing(Connection(port)) as connection:
        play(case, connection, 1 << 30)


short = [case for case in CASES if sum(len(s) for s in case.steps if isinstance(s, bytes)) < 400]


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in short])
def test_byte_by_byte(port, case):
    with contextlib.closing(Connection(port)) as connection:
        play(case, connection, 1)


def test_head_has_the_fields_of_get(port):
    with contextlib.closing(Connection(port)) as connection:
        connection.send(b"GET /x HTTP/1.1\r\nHost: h\r\n\r\nHEAD /x HTTP/1.1\r\nHost: h\r\n\r\n")
        get, head = connection.response(), connection.response(to_head=True)
        # The echo of HEAD is one letter longer.
        assert int(head.get("content-length")) == int(get.get("content-length")) + 1
        assert {name for name, _ in head.fields} == {name for name, _ in get.fields}
        connection.require_open()


def test_there_are_cases():
    assert len(CASES) > 200
