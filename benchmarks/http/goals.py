"""What was to be reached by ./bench http, and whether it was."""

from __future__ import annotations

from collections.abc import Callable

from cases import Case, Group
from measuring import Run

Rows = dict[str, dict[str, float]]
Goal = Callable[[str, float, float], None]  # what, measured, at most

# CPU a request in microseconds, on the machine that the goals were set for; so many times a
# handler's; and so many times that of the best peer with the same interface.
BARE = {"wsgi": (7.0, 1.25, 1.0), "asgi": (10.0, 1.8, 0.5)}


def goals(run: Run, asked: list[Group], result: dict[str, Rows]) -> list[list[object]]:
    """Lines of: what, measured, at most, met or missed."""
    lines: list[list[object]] = []

    def goal(text: str, value: float, limit: float) -> None:
        lines.append([text, value, limit, "met" if value <= limit else "missed"])

    for group in asked:
        kinds = {server.name: server.kind for server in group.servers}
        interfaces = {server.name: server.interface for server in group.servers}
        for case in group.cases:
            rows = result.get(case.name, {})
            peers = {
                name: row for name, row in rows.items() if kinds[name] == "peer" and row["works"]
            }
            ours = rows.get("allcores")
            if group.module:
                if ours:
                    of_framework(case, ours, peers, group.servers[0].interface, goal)
                continue
            for kind in BARE:
                row = rows.get(f"allcores {kind}")
                alike = {name: each for name, each in peers.items() if interfaces[name] == kind}
                if row:
                    of_interface(case, kind, row, ours, alike, goal)
            if ours:
                of_handler(case, ours, peers, goal)
        memory = run.memory.get(group.name, {})
        others = [memory[name] for name, kind in kinds.items() if kind == "peer" and name in memory]
        if "allcores" in memory and others:
            goal(f"{group.name}: memory, ÷ best peer", memory["allcores"] / min(others), 0.5)
        spawned = [memory[name] for name in ("granian", "uvicorn") if name in memory]
        if group.module and "allcores" in memory and spawned:
            ratio = memory["allcores"] / min(spawned)
            goal(f"{group.name}: memory, ÷ granian's or uvicorn's", ratio, 0.5)
    return lines


def of_framework(case: Case, ours: dict[str, float], peers: Rows, kind: str, goal: Goal) -> None:
    if "above_framework_us" in ours:
        limit = BARE[kind][0]
        goal(f"{case.name}: CPU µs above the framework's own", ours["above_framework_us"], limit)
    if peers:
        goal(f"{case.name}: CPU, ÷ best peer", ours["times_best_peer"], 1.0)
        best = min(row["p99_us"] for row in peers.values())
        goal(f"{case.name}: p99, ÷ best peer", ours["p99_us"] / best, 1.0)


def of_interface(
    case: Case,
    kind: str,
    row: dict[str, float],
    handler: dict[str, float] | None,
    alike: Rows,
    goal: Goal,
) -> None:
    microseconds, of_a_handler, of_peer = BARE[kind]
    name = f"{case.name}: CPU of {kind.upper()}"
    if case.name.startswith("plaintext") and case.depth == 1:
        goal(f"{name}, µs", row["cpu_us"], microseconds)
    if handler and case.depth == 1:
        goal(f"{name}, ÷ a handler's", row["cpu_us"] / handler["cpu_us"], of_a_handler)
    if alike:
        best = min(each["cpu_us"] for each in alike.values())
        limit = of_peer if case.peer_goal else 1.0
        goal(f"{name}, ÷ best {kind.upper()} peer", row["cpu_us"] / best, limit)


def of_handler(case: Case, ours: dict[str, float], peers: Rows, goal: Goal) -> None:
    if case.ceiling_goal and "times_ceiling" in ours:
        goal(f"{case.name}: CPU, ÷ ceiling", ours["times_ceiling"], case.ceiling_goal)
    if peers and case.peer_goal:
        goal(f"{case.name}: CPU, ÷ best peer", ours["times_best_peer"], case.peer_goal)
        best = min(row["p99_us"] for row in peers.values())
        goal(f"{case.name}: p99, ÷ best peer", ours["p99_us"] / best, 1.0)
