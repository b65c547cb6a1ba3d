"""What a worker that could not load says: in words of its application's, not of this package's."""

from __future__ import annotations


def explain(kind: str, message: str, traceback: str) -> tuple[str, str]:
    """One line that says what went wrong, and the traceback in front of it, perhaps none.

    Called in that worker (src/runtime/serving.cpp), with what was raised.
    """
    name = kind.rpartition(".")[2]
    if name in ("HandlerNotFound", "ModuleNotThere"):
        return f"handler not found: {message}", ""
    if name == "LoopMissing":
        return message, ""
    if name != "LifespanFailed":
        return f"the handler can't be loaded: {kind}: {message}", of_application(traceback)
    said = "the application's start-up failed"
    # What the application raised is in front of what was raised from it.
    cause, is_there, _ = traceback.partition("\nThe above exception was the direct cause of")
    if is_there:
        return said, of_application(cause)
    if "\n" in message:  # many frameworks send the traceback as their message
        return said, message.rstrip() + "\n"
    return f"{said}: {message}" if message not in (said, "") else said, ""


def of_application(traceback: str) -> str:
    """A traceback without the frames of this package and of the import system."""
    ours = (f'  File "{__file__.rpartition("/")[0]}/', '  File "<frozen importlib')
    lines = []
    skipping = False
    for line in traceback.splitlines(keepends=True):
        if line.startswith("  File "):
            skipping = line.startswith(ours)
        elif not line.startswith("    "):
            skipping = False
        if not skipping:
            lines.append(line)
    return "".join(lines)
