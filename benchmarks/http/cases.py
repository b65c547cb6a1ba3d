"""What ./bench http asks, in groups: the bare applications, and one for each framework."""

from __future__ import annotations

import dataclasses
from typing import Any

import _servers

TEXT = "Hello, World!"
JSON = '{"message": "Hello, World!"}'
COMPACT = '{"message":"Hello, World!"}'
STREAMED = "x" * 1024 * 32  # PARTS of benchmarks/apps/work.py
UPLOADED = 20_000_000
# Name, interface, and how each writes {"message": "Hello, World!"}.
FRAMEWORKS = [
    ("FastAPI", "asgi", COMPACT),
    ("Starlette", "asgi", COMPACT),
    ("Flask", "wsgi", COMPACT + "\n"),
    ("Django", "wsgi", JSON),
]


@dataclasses.dataclass(frozen=True)
class Case:
    """A question to a group's servers: what is asked for, on how many connections, how deep."""

    name: str
    path: str
    body: str
    connections: int
    depth: int = 1
    kind: str = "closed"  # of load
    size: int = 0  # of an uploaded body, of a message
    interfaces: tuple[str, ...] = ()  # whose applications have it; all
    seconds: float = 1.0  # times the length of a slice
    ceiling_goal: float | None = None  # CPU a request, at most so many times the ceiling's
    peer_goal: float | None = None  # and so many times the best peer's

    def is_for(self, server: _servers.Server) -> bool:
        return not self.interfaces or server.interface in self.interfaces

    def load(self) -> dict[str, Any]:
        """What the load generator has to know."""
        found = {"path": self.path, "connections": self.connections}
        if self.kind != "websocket":
            found["body"] = self.body
        return found | ({"depth": self.depth} if self.kind == "closed" else {"size": self.size})


@dataclasses.dataclass(frozen=True)
class Group:
    """Servers that run at the same time, and what they are asked."""

    name: str
    servers: list[_servers.Server]
    cases: list[Case]
    module: str = ""  # of the framework's application, in benchmarks/apps
    measures_memory: bool = False


def bare_cases(connections: list[int]) -> list[Case]:
    plain = [
        Case(f"plaintext {n}", "/", TEXT, n, ceiling_goal=1.1, peer_goal=0.75) for n in connections
    ]
    json = [Case(f"json {n}", "/json", JSON, n, peer_goal=0.85) for n in connections]
    few, both = connections[0], ("asgi", "wsgi")
    return [
        *plain,
        Case("plaintext pipelined 16", "/", TEXT, few, 16, ceiling_goal=1.2, peer_goal=0.75),
        *json,
        Case("json pipelined 16", "/json", JSON, few, 16, peer_goal=0.85),
        Case("streamed 32 KiB", "/stream", STREAMED, few, interfaces=both),
        Case(
            "upload 20 MB", "/upload", str(UPLOADED), 8, kind="upload", size=UPLOADED,
            interfaces=both, seconds=2.0,
        ),
        Case("WebSocket echo", "/", "", few, kind="websocket", size=64, interfaces=("asgi",)),
    ]  # fmt: skip


def groups(connections: list[int], cases: list[str], only: list[str]) -> list[Group]:
    """Those that have a case, and a server, whose name contains one of the words given."""
    bare = Group(
        "bare applications",
        _servers.having(_servers.all_servers(), only),
        chosen(bare_cases(connections), cases),
        measures_memory=True,
    )
    found = [bare]
    for name, interface, body in FRAMEWORKS:
        servers = _servers.framework_servers(name.lower(), interface, body.encode())
        found.append(
            Group(
                name,
                _servers.having(servers, [word.removesuffix(f" {interface}") for word in only]),
                chosen([Case(name, "/json", body, connections[0])], cases),
                f"framework_{name.lower()}",
                measures_memory=name == "FastAPI",
            )
        )
    return [each for each in found if each.cases and each.servers]


def chosen(cases: list[Case], words: list[str]) -> list[Case]:
    return [case for case in cases if not words or any(word in case.name for word in words)]
