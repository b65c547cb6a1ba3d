"""What the pages of wsgi_app.py are made with: each is an application, at its path."""

import sys
from collections.abc import Callable
from typing import Any

Environ = dict[str, Any]
StartResponse = Callable[..., Callable[[bytes], object]]
Application = Callable[[Environ, StartResponse], Any]

TEXT = [("Content-Type", "text/plain")]
LARGE = bytes(range(256)) * 4096  # 1 MiB
applications: dict[str, Application] = {}


def at(path: str) -> Callable[[Application], Application]:
    """Serve this application at that path."""

    def add(application: Application) -> Application:
        applications[path] = application
        return application

    return add


def say(line: str) -> None:
    sys.stderr.write(line + "\n")
