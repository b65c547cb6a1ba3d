"""The gathered documentation against what the modules themselves say when they are imported."""

import importlib
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pydocs
import pytest
import titles


class Here:
    workers = 1

    def map(self, function: Callable[..., Any], tasks: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
        for arguments in tasks:
            yield function(*arguments)


@pytest.fixture(scope="module")
def documents() -> dict[str, pydocs.Document]:
    here: Any = Here()
    return {document[0]: document for document in pydocs.gather(here)}


def test_gathering_imports_nothing_of_what_it_reads(documents: dict[str, pydocs.Document]) -> None:
    assert "turtle.Turtle" in documents
    assert not {"turtle", "antigravity", "this", "idlelib", "tkinter"} & set(sys.modules)
    assert not any(name.startswith(("test.", "_test", "lib2to3.tests")) for name in documents)


@pytest.mark.parametrize(
    "module",
    [
        "json",
        "functools",
        "os",
        "os.path",
        "math",
        "collections",
        "itertools",
        "asyncio",
        "heapq",
        "_thread",
        "textwrap",
        "operator",
        "datetime",
        "sqlite3",
        "subprocess",
        "string",
        "collections.abc",
        "zlib",
        "shutil",
    ],
)
def test_every_public_name_that_has_a_docstring(
    documents: dict[str, pydocs.Document], module: str
) -> None:
    there = importlib.import_module(module)
    # operator's own text gives way to that of its part in C when it is imported.
    if module != "operator":
        assert documents[module][4].split() == (there.__doc__ or "").split()
    names = getattr(there, "__all__", None) or [
        name for name in vars(there) if not name.startswith("_")
    ]
    compared = 0
    missing = []
    for name in names:
        thing = getattr(there, name)
        is_known = isinstance(thing, type) or inspect.isroutine(thing)
        # Another name for something (sqlite3.Binary is memoryview) is no thing of its own.
        is_known = is_known and getattr(thing, "__name__", name) == name
        own = (
            vars(thing).get("__doc__")
            if isinstance(thing, type)
            else getattr(thing, "__doc__", None)
        )
        home = getattr(thing, "__module__", None) or module
        # What comes from elsewhere is documented there; built-in exceptions and such have their
        # short names.
        if not is_known or not isinstance(own, str) or not own.strip():
            continue
        document = documents.get(f"{module}.{name}") or documents.get(
            f"{home}.{thing.__qualname__}"
        )
        if document is None:
            missing.append(name)
        elif document[0] == f"{module}.{name}" and document[4].split() == own.split():
            compared += 1
    assert compared >= 0.8 * (compared + len(missing)) > 0, missing
    assert len(missing) <= 0.1 * len(names), missing


def test_builtins_have_their_short_names(documents: dict[str, pydocs.Document]) -> None:
    for name, thing in {"len": len, "str": str, "str.join": str.join, "dict.get": dict.get}.items():
        assert documents[name][4].split() == (thing.__doc__ or "").split()


def test_parsing() -> None:
    source = '''"""The module."""
__all__ = ["f", "C"]
from _x import a, b as c
from other import d
try:
    from .y import *
except ImportError:
    def f(x: int = 1, *, y) -> str:
        """In a handler."""
if True:
    class C(Base):
        """The class."""
        async def m(self): "one line"
        def silent(self): pass
        class Inner:
            """Deeper."""
'''
    documents, aliases = pydocs.documents_of("p", source, "p/__init__.py")
    assert documents == [
        ("p", "module", "import p", "p/__init__.py, line 1", "The module."),
        (
            "p.f",
            "function",
            "def f(x: int=1, *, y) -> str",
            "p/__init__.py, line 8",
            "In a handler.",
        ),
        ("p.C", "class", "class C(Base)", "p/__init__.py, line 11", "The class."),
        ("p.C.m", "method", "async def m(self)", "p/__init__.py, line 13", "one line"),
        ("p.C.Inner", "class", "class Inner", "p/__init__.py, line 15", "Deeper."),
    ]
    assert aliases == [
        ("p", "", "f,C"),
        ("p", "_x", "a=a"),
        ("p", "_x", "b=c"),
        ("p", "p.y", "*=*"),
    ]


def test_names_taken_over() -> None:
    def document(name: str, kind: str = "function") -> tuple[str, pydocs.Document]:
        return name, (name, kind, "", "", f"about {name}")

    documents = dict(
        [
            document("_x.a"),
            document("_x._hidden"),
            document("_x.K", "class"),
            document("_x.K.m", "method"),
        ]
    )
    pydocs.with_aliases(documents, [("p", "_x", "*=*"), ("q", "_x", "a=b"), ("r", "_x", "K=K")])
    assert {name: text[4] for name, text in documents.items() if not name.startswith("_x")} == {
        "p.a": "about _x.a",
        "p.K": "about _x.K",
        "p.K.m": "about _x.K.m",
        "q.b": "about _x.a",
        "r.K": "about _x.K",
        "r.K.m": "about _x.K.m",
    }


def test_each_title_leads_to_its_page(
    tmp_path: Path, documents: dict[str, pydocs.Document]
) -> None:
    folder = tmp_path / "docs"
    pydocs.write(folder, list(documents.values()))
    index = pydocs.read(folder)
    source = (folder / "source.txt").read_bytes()
    second = [name for name in documents if "." in name]
    assert titles.count(index) >= len(documents) + 0.9 * len(second)
    for name, document in documents.items():
        row = titles.find(index, name)
        assert row is not None
        start, stop = titles.place(index, row)
        text = source[start:stop].decode()
        assert text.startswith(f"{name}\n==") and text.split()[-1] == document[4].split()[-1]
    row = titles.find(index, "join (os.path)")
    assert row is not None
    start, stop = titles.place(index, row)
    assert source[start:stop].startswith(b"os.path.join\n")
