"""Checks of the arguments of `allcores.serve`: what it can't serve with is an error at once."""

from __future__ import annotations

import os

from allcores import _core
from allcores._interfaces import INTERFACES

# Not from typing: its import costs a program that only serves.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

LOOPS = ("auto", "asyncio", "uvloop")
LIFESPANS = ("auto", "on", "off")
LOG_LEVELS = {"critical": 50, "error": 40, "warning": 30, "info": 20, "debug": 10}
# As RFC 9110 has the characters of a field's name.
TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
# Fields that the server writes itself: their values are its own business.
OWN_FIELDS = frozenset({"content-length", "transfer-encoding", "connection", "content-type"})


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


def check_ready(value: Any) -> None:
    """TypeError for what can't be called."""
    if value is not None and not callable(value):
        raise TypeError(f"serve: ready must be a function or None, not {_type(value)}")


def check_flag(name: str, value: Any) -> None:
    """TypeError unless it is True or False."""
    if not isinstance(value, bool):
        raise TypeError(f"serve: {name} must be True or False, not {_type(value)}")


def check_choice(name: str, value: Any, choices: Any) -> None:
    """TypeError or ValueError unless it is one of these words."""
    if not isinstance(value, str):
        raise TypeError(f"serve: {name} must be a str, not {_type(value)}")
    if value not in choices:
        raise ValueError(f"serve: {name} must be one of {', '.join(choices)}, not {value!r}")


def list_of(name: str, value: Any, kind: type) -> list[Any]:
    """None, one value or a list or tuple of them, as a list."""
    values = [] if value is None else list(value) if isinstance(value, (list, tuple)) else [value]
    for each in values:
        if not isinstance(each, kind) or isinstance(each, bool):
            raise TypeError(
                f"serve: {name} must be a {kind.__name__}, or a list of such, not {_type(each)}"
            )
    return values


def check_hosts(name: str, value: Any) -> None:
    for host in list_of(name, value, str):
        check_text(name, host)


def check_paths(name: str, value: Any) -> None:
    for path in list_of(name, value, str):
        if not path or "\0" in path:
            raise ValueError(f"serve: {name} must be the path of a socket, not {path!r}")


def check_permissions(name: str, value: Any) -> None:
    check_int(name, value, -(2**63), 2**63 - 1)
    if not 0 <= value <= 0o777:
        raise ValueError(f"serve: {name} must be 0 to 0o777, not {value} ({value:#o})")


def check_descriptors(name: str, value: Any) -> None:
    for number in list_of(name, value, int):
        check_int(name, number, 0, 2**31 - 1)


def check_root_path(name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise TypeError(f"serve: {name} must be a str, not {_type(value)}")
    check_text(name, value)
    if value and not value.startswith("/"):
        raise ValueError(f"serve: {name} must begin with '/', not {value!r}")


def fields_of(name: str, value: Any) -> list[tuple[str, str]]:
    """Header fields as pairs: of a mapping, of pairs, or of texts 'NAME:VALUE'."""
    given = list(value.items()) if hasattr(value, "items") else list_of(name, value, object)
    pairs = []
    for each in given:
        if isinstance(each, str):
            field, colon, text = each.partition(":")
            if not colon:
                raise ValueError(f"serve: {name} must be NAME:VALUE, not {each!r}")
            each = field, text.strip(" \t")
        if not (
            isinstance(each, (tuple, list))
            and len(each) == 2
            and isinstance(each[0], str)
            and isinstance(each[1], str)
        ):
            raise TypeError(f"serve: {name} must be pairs of str, not {each!r}")
        pairs.append((each[0], each[1]))
    for field, text in pairs:
        if not field or not TOKEN.issuperset(field):
            raise ValueError(f"serve: {name}: {field!r} can't be the name of a field")
        if field.lower() in OWN_FIELDS:
            raise ValueError(f"serve: {name}: the server writes {field} itself")
        if not all((" " <= c <= "\xff" and c != "\x7f") or c == "\t" for c in text):
            raise ValueError(f"serve: {name}: {field} has characters that a field can't have")
    return pairs


def check_networks(name: str, value: Any) -> None:
    _check_by(_core._check_trusted_proxies, name, networks_of(name, value))


def networks_of(name: str, value: Any) -> str:
    """Addresses and networks as one text; those of the environment or of this host by default."""
    if value is None:
        return os.environ.get("FORWARDED_ALLOW_IPS") or "127.0.0.1"
    return ",".join(list_of(name, value, str))


def check_log_format(name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise TypeError(f"serve: {name} must be a str, not {_type(value)}")
    if "\n" in value:
        raise ValueError(f"serve: {name} is for one line")
    _check_by(_core._check_access_log_format, name, value)


def _check_by(check: Callable[[str], None], name: str, value: str) -> None:
    try:
        check(value)
    except ValueError as error:
        raise ValueError(f"serve: {name}: {error}") from None


def check_own_path(name: str, value: Any) -> None:
    """The path of an answer that is the server's own."""
    check_text(name, value)
    if not value.startswith("/") or "?" in value or "#" in value:
        raise ValueError(f"serve: {name} must be a path such as '/healthz', not {value!r}")


def folders_of(name: str, value: Any) -> list[tuple[str, str]]:
    """Prefixes and folders: of a mapping, of pairs, or of texts 'PREFIX=FOLDER'."""
    given = list(value.items()) if hasattr(value, "items") else list_of(name, value, object)
    pairs = []
    for each in given:
        if isinstance(each, str):
            prefix, equals, folder = each.partition("=")
            if not equals:
                raise ValueError(f"serve: {name} must be PREFIX=FOLDER, not {each!r}")
            each = prefix, folder
        if not (
            isinstance(each, (tuple, list))
            and len(each) == 2
            and isinstance(each[0], str)
            and isinstance(each[1], (str, os.PathLike))
        ):
            raise TypeError(f"serve: {name} must be pairs of str, not {each!r}")
        prefix, folder = each[0], os.fsdecode(each[1])
        if not prefix.startswith("/") or any(c in prefix for c in "?#%"):
            raise ValueError(f"serve: {name}: a prefix is a path such as '/static', not {prefix!r}")
        if not os.path.isdir(folder):
            raise ValueError(f"serve: {name}: there is no folder {folder!r}")
        pairs.append((prefix, folder))
    return pairs


def _optional(rule: Callable[[str, Any], None]) -> Callable[[str, Any], None]:
    def check(name: str, value: Any) -> None:
        if value is not None:
            rule(name, value)

    return check


def _int(least: int, most: int) -> Callable[[str, Any], None]:
    return lambda name, value: check_int(name, value, least, most)


def _may_be_zero(name: str, value: Any) -> None:
    check_seconds(name, value, may_be_zero=True)


# What each keyword argument of `serve` may be.
RULES: dict[str, Callable[[str, Any], Any]] = {
    "host": check_hosts,
    "port": _int(0, 65535),
    "uds": check_paths,
    "uds_permissions": check_permissions,
    "fd": check_descriptors,
    "backlog": _int(1, 2**31 - 1),
    "workers": _optional(_int(1, 4096)),
    "interface": lambda name, value: check_choice(name, value, INTERFACES),
    "loop": lambda name, value: check_choice(name, value, LOOPS),
    "factory": check_flag,
    "lifespan": lambda name, value: check_choice(name, value, LIFESPANS),
    "root_path": check_root_path,
    "log_level": lambda name, value: check_choice(name, value, LOG_LEVELS),
    "headers": fields_of,
    "server_name": check_text,
    "date_header": check_flag,
    "proxy_headers": check_flag,
    "forwarded_allow_ips": check_networks,
    "access_log": check_flag,
    "access_log_format": _optional(check_log_format),
    "static": folders_of,
    "health": _optional(check_own_path),
    "metrics": _optional(check_own_path),
    "ws_max_size": _int(1, 2**63 - 1),
    "ws_max_queue": _int(1, 2**31 - 1),
    "ws_ping_interval": _optional(_may_be_zero),
    "ws_ping_timeout": _optional(_may_be_zero),
    "ws_per_message_deflate": check_flag,
    "limit_concurrency": _optional(_int(1, 2**32 - 1)),
    "grace": _may_be_zero,
    "worker_timeout": _optional(check_seconds),
    "limit_max_requests": _optional(_int(1, 2**32 - 1)),
    "limit_max_requests_jitter": _int(0, 2**32 - 1),
    "max_header": _int(1, 2**31 - 1),
    "max_body": _optional(_int(0, 2**63 - 1)),
    "body_buffer": _int(0, 2**63 - 1),
    "max_connections": _int(1, 10_000_000),
    "min_body_rate": _int(0, 2**32 - 1),
    "header_timeout": check_seconds,
    "body_timeout": check_seconds,
    "keep_alive_timeout": check_seconds,
    "send_timeout": check_seconds,
}


def check_all(given: dict[str, Any]) -> None:
    """TypeError or ValueError for the first of these arguments that `serve` can't have."""
    for name, rule in RULES.items():
        rule(name, given[name])


def _type(value: Any) -> str:
    return type(value).__name__
