"""Checks of the arguments of `allcores.serve`: what it can't serve with is an error at once."""

from __future__ import annotations

# Not from typing: its import costs a program that only serves.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def check_handler(handler: Any) -> None:
    """TypeError for what can't be called. The workers look closer, when they have it."""
    if not (isinstance(handler, str) or callable(handler)):
        raise TypeError(
            f"serve: the handler must be a function or 'module:name', not {_type(handler)}"
        )


def check_int(name: str, value: Any, least: int, most: int) -> None:
    """TypeError or ValueError unless it is an int from `least` to `most`."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"serve: {name} must be an int, not {_type(value)}")
    if not least <= value <= most:
        raise ValueError(f"serve: {name} must be {least} to {most}, not {value}")


def check_seconds(name: str, value: Any, may_be_zero: bool = False) -> None:
    """TypeError or ValueError unless it is a number of seconds; infinity is one."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise TypeError(f"serve: {name} must be a number of seconds, not {_type(value)}")
    if not (value > 0 or (may_be_zero and value == 0)):  # neither is NaN
        least = "0 or more" if may_be_zero else "more than 0"
        raise ValueError(f"serve: {name} must be {least} seconds, not {value}")


def check_text(name: str, value: Any) -> None:
    """TypeError or ValueError unless it is a str that can stand in a header field, or none."""
    if not isinstance(value, str):
        raise TypeError(f"serve: {name} must be a str, not {_type(value)}")
    if not all(" " <= each <= "~" for each in value):
        raise ValueError(f"serve: {name} must be of visible ASCII characters, not {value!r}")


def check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    """ValueError unless it is one of the choices."""
    if value not in choices:
        raise ValueError(f"serve: {name} must be one of {', '.join(choices)}, not {value!r}")


def check_ready(value: Any) -> None:
    """TypeError for what can't be called."""
    if value is not None and not callable(value):
        raise TypeError(f"serve: ready must be a function or None, not {_type(value)}")


def _type(value: Any) -> str:
    return type(value).__name__
