"""A headless Chromium for the tests, driven over chromedriver's own protocol (W3C WebDriver)."""

import base64
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

# The protocol's names for keys that have no letter.
DOWN, UP, ENTER, ESCAPE, TAB = "\ue015", "\ue013", "\ue007", "\ue00c", "\ue004"


def missing() -> str | None:
    """What is missing for a browser here; None when nothing is."""
    for name in ("chromedriver", "chromium"):
        if shutil.which(name) is None:
            return f"{name} is not installed"
    return None


class Browser:
    """One browser with one window. All processes end with the `with` block."""

    def __init__(self, javascript: bool = True) -> None:
        self.folder = tempfile.TemporaryDirectory(
            prefix="allcores-browser-", ignore_cleanup_errors=True
        )
        self.driver = subprocess.Popen(
            ["chromedriver", "--port=0"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": self.folder.name},
            text=True,
            # Chromium's own processes are of this group too.
            start_new_session=True,
        )
        try:
            self.base = self.wait_for_driver()
            switches = [
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-proxy-server",
                "--disable-background-networking",
                "--window-size=1280,900",
                f"--user-data-dir={self.folder.name}/profile",
            ]
            options: dict[str, Any] = {"binary": shutil.which("chromium"), "args": switches}
            if not javascript:
                options["prefs"] = {"profile.managed_default_content_settings.javascript": 2}
            wanted = {
                "alwaysMatch": {
                    "browserName": "chrome",
                    "goog:chromeOptions": options,
                    "goog:loggingPrefs": {"browser": "ALL"},
                }
            }
            session = self.ask("POST", "/session", {"capabilities": wanted})
            self.base += f"/session/{session['sessionId']}"
        except BaseException:
            self.close()
            raise

    def wait_for_driver(self) -> str:
        assert self.driver.stdout is not None
        for line in self.driver.stdout:
            if "started successfully on port" in line:
                return f"http://127.0.0.1:{line.rstrip().rstrip('.').rpartition(' ')[2]}"
        raise RuntimeError("chromedriver did not start")

    def ask(self, method: str, path: str, body: object = None) -> Any:
        data = None if method == "GET" else json.dumps(body or {}).encode()
        request = urllib.request.Request(self.base + path, data, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            with error:
                raise RuntimeError(json.load(error)["value"]["message"]) from None

    def go(self, url: str) -> None:
        self.ask("POST", "/url", {"url": url})

    def script(self, code: str, *arguments: object) -> Any:
        """What `return` in the code returns, in the page."""
        return self.ask("POST", "/execute/sync", {"script": code, "args": list(arguments)})

    def press(self, text: str) -> None:
        """Keys pressed, wherever the focus is."""
        steps = [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")]
        self.ask("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": steps}]})

    def text(self, selector: str) -> str:
        found = self.script(
            "return document.querySelector(arguments[0])?.innerText ?? ''", selector
        )
        assert isinstance(found, str)
        return found

    def until(self, what: str, check: Callable[[], Any], seconds: float = 20) -> Any:
        """The first true answer of `check`; fails after so many seconds, saying what was waited
        for.
        """
        end = time.monotonic() + seconds
        while True:
            answer = check()
            if answer:
                return answer
            if time.monotonic() > end:
                raise AssertionError(f"not within {seconds} s: {what}")

    def complaints(self) -> list[str]:
        """What the page logged: errors of scripts, requests that failed."""
        entries = self.ask("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] in ("SEVERE", "WARNING")]

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.ask("GET", "/screenshot")))

    def close(self) -> None:
        try:
            if "/session/" in getattr(self, "base", ""):
                self.ask("DELETE", "")
        except OSError:
            pass
        finally:
            os.killpg(self.driver.pid, signal.SIGKILL)
            self.driver.wait()
            if self.driver.stdout is not None:
                self.driver.stdout.close()
            self.folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
