"""Interpreters of one's own: made, called and ended by hand."""

from __future__ import annotations

from allcores import _bootstrap, _core, _functions

# Not from typing: what a program imports without need is memory that it lacks elsewhere.
TYPE_CHECKING = False
if TYPE_CHECKING:
    import types
    from collections.abc import Callable
    from typing import Any, Literal, Self


class Interpreter:
    """A Python interpreter with its own GIL, on its own thread of this process.

    Calls run there one after another; calls of several interpreters run at the same time. Nothing
    is shared but what `allcores.freeze` made: arguments and results are copied, modules are
    imported there.

        with allcores.Interpreter() as worker:
            worker.call(math.factorial, 1000)

    Raises MemoryError when there is not enough memory for one, RuntimeError when it can't start.
    """

    __slots__ = ("_handle",)

    def __init__(self, name: str | None = None) -> None:
        if name is not None and not isinstance(name, str):
            raise TypeError(f"name must be a str, not {type(name).__name__}")
        self._handle = _core._create_interpreter(name or "", _bootstrap.inherit())

    @property
    def id(self) -> int:
        """CPython's number of this interpreter; never used twice in a process."""
        return self._handle.id()

    @property
    def name(self) -> str:
        """The name it was given, or one that was made up."""
        return self._handle.name()

    def is_alive(self) -> bool:
        """Whether it takes calls: False once it is ending, and in the child of a fork."""
        return self._handle.is_alive()

    def call(
        self,
        func_or_source: Callable[..., Any] | str,
        /,
        *args: Any,
        where: Literal["owner", "caller"] = "owner",
    ) -> Any:
        """Run a function there with `args` and return its result; or run source text there.

        Source text runs in the interpreter's __main__, which keeps its variables from call to call.
        Text that is one expression gives its value, any other None.

        Arguments and result are copied: built-in types with what they share among each other,
        and whatever can be pickled. Frozen data and other Interpreters go as they are. Large bytes,
        str, bytearray, array.array and NumPy arrays in a result that nobody else refers to are
        handed over without a copy. A function or class that can be imported goes by name, any
        other by value with copies of the variables it uses.

        With `where="owner"` it runs on the interpreter's own thread, after the calls that were made
        before: one at a time, with a stack of 8 MiB, and Ctrl-C interrupts it. With
        `where="caller"` it runs on the calling thread under the interpreter's GIL, at the same time
        as what the own thread waits for; that needs no other thread to wake up.

        Raises what the function raised, with the traceback of the other side as its cause;
        RemoteError when that can't be had here, or is no Exception (SystemExit, say); TypeError for
        what can't cross (an open file, a lock, a generator), with the place where it is, as in
        "args[0]['users'][3].socket"; RuntimeError when the interpreter has ended. After a TypeError
        about an argument nothing has run.
        """
        if where not in ("owner", "caller"):
            raise ValueError(f'where must be "owner" or "caller", not {where!r}')
        call = self._handle.call if where == "owner" else self._handle.call_here
        if isinstance(func_or_source, str):
            if args:
                raise TypeError("source text takes no arguments; pass a function")
            return call(None, (func_or_source,))
        if not callable(func_or_source):
            raise TypeError(
                f"call() needs a function or source text, not a {type(func_or_source).__name__}"
            )
        return call(_functions.callee(func_or_source), args)

    def destroy(self, timeout: float = 10.0) -> bool:
        """End the interpreter; True when it ended properly.

        Calls that were made before get `timeout` seconds to finish. What still runs then gets a
        SystemExit, and another second. An interpreter that does not heed that (it swallows the
        exception, or is in C) is abandoned: it never runs Python again, its memory stays, and the
        result is False. Doing it twice is fine.
        """
        return self._handle.destroy(float(timeout))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        self.destroy()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Interpreter) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        state = "" if self.is_alive() else ", ended"
        return f"<allcores.Interpreter {self.name!r} id={self.id}{state}>"

    def __reduce__(self) -> Any:
        # The handle goes to other interpreters by pointer, and nowhere else.
        return _of, (self._handle,)


def _of(handle: _core.InterpreterHandle) -> Interpreter:
    made = Interpreter.__new__(Interpreter)
    made._handle = handle
    return made
