"""`allcores serve MODULE:NAME`: the server, with its options on the command line or in a file."""

from __future__ import annotations

import os
import sys

from allcores._command_options import HELP, OPTIONS, UsageError, of_environment, parse
from allcores._serve import ServeError, serve

# Not from typing, whose import stays in a program that only serves; see _command_options.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

FIRST_LISTEN_FD = 3  # as sd_listen_fds(3) has it


def run(arguments: Sequence[str]) -> int:
    """Serve until SIGINT or SIGTERM. The exit status: 1 can't be served, 2 usage, 3 fails to load.

    What is wrong is said on standard error.
    """
    try:
        target, given = parse(arguments)
        if "help" in given:
            print(HELP, end="")
            return 0
        target, given = _with_config(target, given)
        adopted = _adopt_listening(given)
        folder = _app_folder(given)
        if target is None:
            raise UsageError(_no_target(folder))
        _check_target(target, folder)
        if given.get("reload"):
            from allcores import _reload

            return _reload.run(arguments, given, adopted)
        _check_reload_options(given)
        if "env-file" in given:
            from allcores._command_files import load_env_file

            load_env_file(given["env-file"])
        given = _with_environment(given)
    except UsageError as error:
        print(f"allcores serve: {error}", file=sys.stderr)
        return 2
    if sys.path[:1] != [folder]:
        sys.path.insert(0, folder)
    try:
        serve(target, **_arguments(given))
    except ServeError as error:
        hint = ""
        if error.no_module:
            from allcores._command_target import near_by

            hint = near_by(target, folder)
        print(f"{error}{hint}", file=sys.stderr)
        return error.status
    return 0


def _with_config(target: str | None, given: dict[str, Any]) -> tuple[str | None, dict[str, Any]]:
    """The target and the options, with those of the configuration file behind them."""
    if "config" not in given:
        return target, given
    from allcores._command_files import read_config

    config = read_config(given["config"])
    app = config.pop("app", None)
    return target or app, config | given


def _adopt_listening(given: dict[str, Any]) -> list[int]:
    """The sockets that systemd has opened for this process, where no other place is said."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = os.environ.get("LISTEN_FDS", "")
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        os.environ.pop(name, None)  # not for the processes that this one starts
    if not count.isdecimal() or not {"host", "port", "uds", "fd"}.isdisjoint(given):
        return []
    adopted = list(range(FIRST_LISTEN_FD, FIRST_LISTEN_FD + int(count)))
    if adopted:
        given["fd"] = adopted
    return adopted


def _app_folder(given: dict[str, Any]) -> str:
    folder: str = os.path.abspath(given.get("app-dir", "."))
    if not os.path.isdir(folder):
        raise UsageError(f"--app-dir {given['app-dir']}: there is no such folder")
    return folder


def _no_target(folder: str) -> str:
    from allcores._command_target import candidates

    found = list(candidates(folder))[:5]
    near = f"; applications near by: {', '.join(found)}" if found else ", for example main:app"
    return f"the application is missing: MODULE:NAME{near}"


def _check_target(target: str, folder: str) -> None:
    module, colon, name = target.partition(":")
    whole = all((*module.split("."), *name.split(".")))
    if colon and whole and "/" not in module and "(" not in name and not module.endswith(".py"):
        return
    from allcores._command_target import check_target

    problem = check_target(target, folder)
    if problem is not None:
        raise UsageError(problem)


def _check_reload_options(given: dict[str, Any]) -> None:
    if "reload" in given:  # switched off here, and the others come from a file
        return
    for name in ("reload-dir", "reload-include", "reload-exclude"):
        if name in given:
            raise UsageError(f"--{name} is for --reload")


def _with_environment(given: dict[str, Any]) -> dict[str, Any]:
    """The options, with those of the environment behind them."""
    found = of_environment(given)
    if "uds" in given or "fd" in given:
        if "port" in given:
            found.setdefault("host", ["127.0.0.1"])
        else:
            found.pop("host", None)
    return found | given


def _arguments(given: dict[str, Any]) -> dict[str, Any]:
    """The options as arguments of `serve`."""
    arguments = {}
    for name, value in given.items():
        argument = OPTIONS[name].argument
        if argument is not None:
            arguments[argument] = value
    if "access_log_format" in arguments:
        arguments.setdefault("access_log", True)
    if given.get("server-header") is False:
        arguments["server_name"] = ""
    return arguments
