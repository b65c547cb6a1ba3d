"""A progress bar on standard error; plain lines now and then where that is no terminal."""

import sys
import time
from typing import Self, TextIO


def amount(size: float) -> str:
    """A number of bytes, in the unit that people would choose."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


class Progress:
    """How much of `total` is done. Used by one thread.

    `unit` None counts bytes. A terminal gets a bar that is redrawn up to ten times a second,
    anything else a line every `every` seconds; both a last line when the work is whole.
    """

    def __init__(
        self,
        what: str,
        total: int,
        unit: str | None = None,
        stream: TextIO | None = None,
        every: float = 5.0,
    ) -> None:
        self.what, self.total, self.unit = what, total, unit
        self.stream = sys.stderr if stream is None else stream
        self.live = self.stream.isatty()
        self.every = 0.1 if self.live else every
        self.done, self.note = 0, ""
        self.began = self.shown = time.monotonic()

    def __enter__(self) -> Self:
        if self.live:
            self.draw()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            took = duration(time.monotonic() - self.began)
            self.write(f"{self.what}: {self.quantity(self.done)}{self.note} in {took}", last=True)
        elif self.live:
            self.stream.write("\n")
            self.stream.flush()

    def update(self, done: int, note: str = "") -> None:
        """`done` of the total are done; `note` says what else there is to say."""
        self.done, self.note = done, f", {note}" if note else ""
        now = time.monotonic()
        if now - self.shown >= self.every:
            self.shown = now
            self.draw()

    def quantity(self, number: int) -> str:
        return amount(number) if self.unit is None else f"{number:,} {self.unit}"

    def line(self) -> str:
        share = min(1.0, self.done / self.total) if self.total else 1.0
        past = time.monotonic() - self.began
        left = f", {duration(past / share - past)} left" if share > 0.01 and past > 1 else ""
        state = f"{share:4.0%} of {self.quantity(self.total)}{self.note}{left}"
        if not self.live:
            return f"{self.what}: {state.strip()}"
        filled = round(24 * share)
        return f"{self.what} [{'#' * filled}{'.' * (24 - filled)}] {state}"

    def draw(self) -> None:
        self.write(self.line(), last=False)

    def write(self, line: str, last: bool) -> None:
        # On a terminal the line is written over the one before and the rest of that is cleared.
        start, end = ("\r", "\x1b[K") if self.live else ("", "\n")
        self.stream.write(f"{start}{line}{end}{'\n' if last and self.live else ''}")
        self.stream.flush()
