"""Work spread over interpreters: the same function on many arguments, results in order."""

import queue
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import allcores

FOLDER = str(Path(__file__).resolve().parent)


class Pool:
    """Interpreters of their own GIL, and as many threads of this one that wait for their answers.

    Functions are those of the modules in this folder; arguments and results are atoms and tuples of
    them, copied. The interpreters end with the `with` block.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.idle: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.interpreters: list[Any] = []

    def __enter__(self) -> Self:
        try:
            for _ in range(self.workers):
                interpreter = allcores.Interpreter()
                self.interpreters.append(interpreter)
                interpreter.call(f"import sys; sys.path.insert(0, {FOLDER!r})")
                self.idle.put(interpreter)
        except BaseException:
            self.close()
            raise
        self.threads = ThreadPoolExecutor(self.workers, thread_name_prefix="pool")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.threads.shutdown(cancel_futures=True)
        self.close()

    def close(self) -> None:
        for interpreter in self.interpreters:
            interpreter.destroy()

    def map(self, function: Callable[..., Any], tasks: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
        """The results in the order of the tasks, of which no more are taken than keep everybody
        busy.
        """
        waiting: deque[Future[Any]] = deque()
        for arguments in tasks:
            waiting.append(self.threads.submit(self.one, function, arguments))
            if len(waiting) >= 2 * self.workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def one(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        interpreter = self.idle.get()
        try:
            return interpreter.call(function, *arguments)
        finally:
            self.idle.put(interpreter)
