"""The options of `allcores serve`: their names, how their texts are read, and its help.

One table serves the command line and the configuration file; what values may be, `serve` itself
says (allcores._options).
"""

from __future__ import annotations

import os

from allcores._interfaces import INTERFACES
from allcores._options import LIFESPANS, LOG_LEVELS, LOOPS, RULES

# Not from typing, and not argparse: what they import stays in a program that only serves.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

HELP = """\
usage: allcores serve MODULE:NAME [OPTION ...]     (allcores.serve takes the same as arguments)

MODULE:NAME         the application, for example main:app; every worker imports it
--interface NAME    auto (default), asgi, wsgi, handler      --lifespan NAME   auto, on, off
--factory           NAME is what makes it when called        --loop NAME       asyncio, uvloop
--app-dir FOLDER    where MODULE is looked for (.)           --root-path PATH  its own, to clients
--workers N         interpreters (4 for each CPU)            --env-file FILE   of NAME=VALUE lines
--config FILE.toml  these options, as name = value           --log-level       debug to critical
listening
--host ADDRESS ...  127.0.0.1, again for more     --port N  8000, 0: any      --backlog N  4096
--uds PATH          a unix socket                 --uds-permissions MODE  666
--fd N              a socket that is open; those of systemd (LISTEN_FDS) are found
requests
--header NAME:VALUE ...          on every response    --no-server-header  --no-date-header
--forwarded-allow-ips LIST       whose X-Forwarded-For and -Proto count: addresses, networks, *
                                 (127.0.0.1); nobody's with --no-proxy-headers
--access-log                     to standard output   --access-log-format TEXT  '%(h)s %(r)s'
--static PREFIX=FOLDER ...       its files, without the application
--health PATH, --metrics PATH    answered by the server, metrics for Prometheus
WebSockets of ASGI applications
--ws-max-size N  16777216        bytes of a message   --ws-max-queue N  32  that wait for the app
--ws-ping-interval S  20, 0: no pings                 --ws-ping-timeout S  20, 0: none
--ws-per-message-deflate BOOL    true: compressed where the client can
limits, bytes and seconds
--limit-concurrency N            requests at a time; 503 above it
--limit-max-requests N           of a worker, until it is replaced; --limit-max-requests-jitter N
--max-header N  32768   --max-body N  16777216   --max-connections N  16384   --min-body-rate N
--body-buffer N  1073741824      on disk, of bodies that come slowly, for WSGI
--timeout-keep-alive S  75       --timeout-graceful-shutdown S  10    --timeout-worker S
--timeout-header S  10           --timeout-body S  30                 --timeout-send S  30
development
--reload            start again when a file changes   --reload-dir FOLDER ...  instead of .
--reload-include PATTERN ...  more than *.py          --reload-exclude PATTERN ...

Where an option is repeated (...), each adds one. The command line wins over the configuration file,
that over the environment's HOST, PORT and WEB_CONCURRENCY. SIGINT and SIGTERM stop the server.
Exit status: 0 stopped, 1 it can't serve, 2 wrong options, 3 the application fails to start.
"""

# Options of others, by what does the same here.
ELSEWHERE = {
    "b": "--host and --port",
    "bind": "--host and --port",
    "c": "--config",
    "e": "--env-file",
    "h": "--host",
    "k": "--interface",
    "p": "--port",
    "t": "--timeout-worker",
    "threads": "--workers",
    "worker-class": "--interface",
    "timeout": "--timeout-worker",
    "graceful-timeout": "--timeout-graceful-shutdown",
    "keep-alive": "--timeout-keep-alive",
    "max-requests": "--limit-max-requests",
    "max-requests-jitter": "--limit-max-requests-jitter",
    "chdir": "--app-dir",
    "loglevel": "--log-level",
    "access-logfile": "--access-log",
    "access-logformat": "--access-log-format",
    "umask": "--uds-permissions",
}

# What uvicorn's command takes for a truth value, too.
TRUTHS = dict.fromkeys(("true", "1", "yes", "y", "on", "t"), True) | dict.fromkeys(
    ("false", "0", "no", "n", "off", "f"), False
)


class UsageError(Exception):
    """A command line or a configuration file that can't be meant; the message is for its author."""


class Option:
    """One option. `argument` is that of `serve` that it becomes; None: the command's own."""

    def __init__(
        self, argument: str | None, kind: str = "text", *, many: bool = False, choices: Any = ()
    ) -> None:
        self.argument = argument
        self.kind = kind  # text, int, octal, seconds, seconds or none, bool or flag
        self.many = many
        self.choices = choices


OPTIONS = {
    "host": Option("host", many=True),
    "port": Option("port", "int"),
    "uds": Option("uds", many=True),
    "uds-permissions": Option("uds_permissions", "octal"),
    "fd": Option("fd", "int", many=True),
    "backlog": Option("backlog", "int"),
    "workers": Option("workers", "int"),
    "interface": Option("interface", choices=INTERFACES),
    "loop": Option("loop", choices=LOOPS),
    "factory": Option("factory", "flag"),
    "app-dir": Option(None),
    "lifespan": Option("lifespan", choices=LIFESPANS),
    "root-path": Option("root_path"),
    "log-level": Option("log_level", choices=tuple(LOG_LEVELS)),
    "header": Option("headers", many=True),
    "server-header": Option(None, "flag"),
    "date-header": Option("date_header", "flag"),
    "proxy-headers": Option("proxy_headers", "flag"),
    "forwarded-allow-ips": Option("forwarded_allow_ips"),
    "access-log": Option("access_log", "flag"),
    "access-log-format": Option("access_log_format"),
    "static": Option("static", many=True),
    "health": Option("health"),
    "metrics": Option("metrics"),
    "ws-max-size": Option("ws_max_size", "int"),
    "ws-max-queue": Option("ws_max_queue", "int"),
    "ws-ping-interval": Option("ws_ping_interval", "seconds or none"),
    "ws-ping-timeout": Option("ws_ping_timeout", "seconds or none"),
    "ws-per-message-deflate": Option("ws_per_message_deflate", "bool"),
    "limit-concurrency": Option("limit_concurrency", "int"),
    "limit-max-requests": Option("limit_max_requests", "int"),
    "limit-max-requests-jitter": Option("limit_max_requests_jitter", "int"),
    "timeout-keep-alive": Option("keep_alive_timeout", "seconds"),
    "timeout-graceful-shutdown": Option("grace", "seconds"),
    "timeout-worker": Option("worker_timeout", "seconds"),
    "timeout-header": Option("header_timeout", "seconds"),
    "timeout-body": Option("body_timeout", "seconds"),
    "timeout-send": Option("send_timeout", "seconds"),
    "max-header": Option("max_header", "int"),
    "max-body": Option("max_body", "int"),
    "body-buffer": Option("body_buffer", "int"),
    "max-connections": Option("max_connections", "int"),
    "min-body-rate": Option("min_body_rate", "int"),
    "env-file": Option(None),
    "config": Option(None),
    "reload": Option(None, "flag"),
    "reload-dir": Option(None, many=True),
    "reload-include": Option(None, many=True),
    "reload-exclude": Option(None, many=True),
}


def parse(arguments: Sequence[str]) -> tuple[str | None, dict[str, Any]]:
    """A command line as its target and the options' values. UsageError."""
    target: str | None = None
    given: dict[str, Any] = {}
    rest = list(arguments)
    only_targets = False
    while rest:
        word = rest.pop(0)
        if word == "--" and not only_targets:
            only_targets = True
        elif only_targets or not word.startswith("-"):
            if target is not None:
                raise UsageError(f"one application at a time: {target!r} and {word!r}")
            target = word
        elif word in ("-h", "--help"):
            given["help"] = True
        else:
            name, equals, text = word.partition("=")
            if name[:2] == "-w" and name[2:].isdecimal():  # -w4
                name, equals, text = "-w", "=", name[2:]
            key, value = find_option(name)
            option = OPTIONS[key]
            if option.kind != "flag":
                if not equals:
                    # What begins like an option is none of its values; a number may have a sign.
                    if not rest or (rest[0].startswith("--") and rest[0] != "--"):
                        raise UsageError(f"{name} needs a value")
                    text = rest.pop(0)
                value = read_text(name, option, text)
            elif equals:
                raise UsageError(f"{name} takes no value")
            if option.many:
                given.setdefault(key, []).append(value)
            else:
                given[key] = value
    return target, given


def find_option(name: str) -> tuple[str, Any]:
    """The option that a command line means by a name, and its value if that is a flag."""
    if name == "-w":
        name = "--workers"
    key = name[2:] if name.startswith("--") else name[1:]
    if key in OPTIONS and name.startswith("--"):
        return key, True
    positive = key.removeprefix("no-")
    if name == f"--no-{positive}" and positive in OPTIONS and OPTIONS[positive].kind == "flag":
        return positive, False
    raise UsageError(f"there is no option {name}{unknown_hint(key, '--')}")


def unknown_hint(name: str, prefix: str = "") -> str:
    """What to say behind a name that is no option."""
    if name.startswith(("ssl-", "ssl_", "certfile", "keyfile", "ca-certs")):
        return ": allcores has no TLS yet; let a proxy (nginx, Caddy) do it"
    from difflib import get_close_matches

    name = name.replace("_", "-").lower()
    if name in ELSEWHERE:
        return f"; did you mean {ELSEWHERE[name]}?"
    flags = [f"no-{key}" for key, option in OPTIONS.items() if option.kind == "flag"]
    near = get_close_matches(name, [*OPTIONS, *(flags if prefix else ())], 1)
    return f"; did you mean {prefix}{near[0]}?" if near else "; allcores serve --help lists them"


def read_text(name: str, option: Option, text: str) -> Any:
    """The value that a text stands for. UsageError with the option's name."""
    if option.kind == "int" or option.kind == "octal":
        try:
            value: Any = int(text, 8 if option.kind == "octal" else 10)
        except ValueError:
            kind = "an octal number such as 660" if option.kind == "octal" else "a whole number"
            raise UsageError(f"{name} must be {kind}, not {text!r}") from None
    elif option.kind == "seconds or none" and text.lower() == "none":
        value = None
    elif option.kind in ("seconds", "seconds or none"):
        try:
            value = float(text)
        except ValueError:
            raise UsageError(f"{name} must be a number of seconds, not {text!r}") from None
    elif option.kind == "bool":
        value = TRUTHS.get(text.lower())
        if value is None:
            raise UsageError(f"{name} must be true or false, not {text!r}")
    else:
        value = text
    check_value(name, option, value)
    return value


def check_value(name: str, option: Option, value: Any) -> None:
    """UsageError unless `serve` takes it."""
    if option.choices and value not in option.choices:
        from difflib import get_close_matches

        near = get_close_matches(str(value).lower(), option.choices, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UsageError(f"{name} must be one of {', '.join(option.choices)}, not {value!r}{hint}")
    if option.argument is None:
        return
    try:
        RULES[option.argument](name, value)
    except (TypeError, ValueError) as error:
        raise UsageError(str(error).removeprefix("serve: ")) from None


VARIABLES = {
    "HOST": "host",
    "PORT": "port",
    "WEB_CONCURRENCY": "workers",
    "FORWARDED_ALLOW_IPS": "forwarded-allow-ips",
}


def of_environment(given: dict[str, Any]) -> dict[str, Any]:
    """What HOST, PORT and so on say of what is not given, as at others; empty is unsaid.

    UsageError.
    """
    found: dict[str, Any] = {}
    for variable, key in VARIABLES.items():
        text = os.environ.get(variable)
        if text and key not in given:
            option = OPTIONS[key]
            value = read_text(f"the environment's {variable}", option, text)
            found[key] = [value] if option.many else value
    return found
