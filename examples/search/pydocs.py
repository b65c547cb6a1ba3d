"""The documentation of the running Python's standard library, gathered without running it.

Modules written in Python are parsed, never imported (importing `antigravity` opens a browser,
`this` prints, `idlelib` changes settings); modules written in C have no source to parse, so a child
process imports those (`pydocs_compiled`). Everything that has a docstring becomes an entry under
its full name, `os.path.join`, and one that begins with its last part, as a book's index has it:
`join (os.path)`. All text is written to one file.
"""

import ast
import hashlib
import inspect
import json
import platform
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import titles
from pool import Pool
from progress import Progress
from titles import Index
from trouble import Trouble

FORMAT = 1
# Tests, and what is no part of the library.
SKIPPED_FOLDERS = frozenset(
    [
        "test",
        "tests",
        "idle_test",
        "site-packages",
        "dist-packages",
        "lib-dynload",
        "_bundled",
        "__phello__",
    ]
)
MODULES_PER_TASK = 8
# Modules that are known by a name that their files don't have.
RENAMED = {"posixpath": "os.path", "_collections_abc": "collections.abc"}

# Its full name, what it is, how it is called, where it is, what it says.
type Document = tuple[str, str, str, str, str]
# In which module a name was imported from which other one, under which name there.
type Alias = tuple[str, str, str]


def sources(library: Path | None = None) -> list[tuple[str, Path]]:
    """Every module of the standard library that is written in Python: its name and its file."""
    root = Path(sysconfig.get_path("stdlib")) if library is None else library
    found = []
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if SKIPPED_FOLDERS.intersection(parts) or not all(map(str.isidentifier, parts)):
            continue
        if parts[-1] == "__init__":
            parts = parts[:-1]
        if parts and parts[0] in sys.stdlib_module_names:
            found.append((".".join(parts), path))
    return found


def documents_of(module: str, source: str, where: str) -> tuple[list[Document], list[Alias]]:
    """What one module's source documents, and what it takes over from other modules.

    Taken over is what comes from a private module (`_functools`), from `posix`, or within a package
    from its own parts. An alias whose source is "" lists the module's `__all__`.
    """
    is_package = where.endswith("__init__.py")
    tree = ast.parse(source, where)
    found: list[Document] = []
    aliases: list[Alias] = []

    def add(name: str, kind: str, call: str, node: ast.AST, line: int) -> None:
        assert isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        text = ast.get_docstring(node)
        if text and text.strip():
            found.append((name, kind, call, f"{where}, line {line}", text))

    def visit(body: list[ast.stmt], prefix: str, in_class: bool) -> None:
        for node in body:
            if isinstance(node, ast.ClassDef):
                name = f"{prefix}.{node.name}"
                bases = ", ".join(map(ast.unparse, node.bases))
                add(
                    name,
                    "class",
                    f"class {node.name}({bases})" if bases else f"class {node.name}",
                    node,
                    node.lineno,
                )
                visit(node.body, name, in_class=True)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                word = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
                returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
                call = f"{word} {node.name}({ast.unparse(node.args)}){returns}"
                add(
                    f"{prefix}.{node.name}",
                    "method" if in_class else "function",
                    call,
                    node,
                    node.lineno,
                )
            elif isinstance(node, ast.ImportFrom) and not in_class:
                origin = node.module or ""
                if node.level == 1 and is_package and origin:
                    origin = f"{module}.{origin}"
                if origin.startswith(("_", f"{module}.")) or origin == "posix":
                    for part in node.names:
                        aliases.append((module, origin, f"{part.name}={part.asname or part.name}"))
            elif isinstance(node, ast.Assign) and not in_class:
                names = [target.id for target in node.targets if isinstance(target, ast.Name)]
                if names == ["__all__"] and isinstance(node.value, ast.List | ast.Tuple):
                    words = [
                        item.value for item in node.value.elts if isinstance(item, ast.Constant)
                    ]
                    aliases.append((module, "", ",".join(map(str, words))))
            elif isinstance(node, ast.If | ast.Try | ast.With):
                # What a module defines only where something else is there.
                for block in ("body", "orelse", "finalbody"):
                    visit(getattr(node, block, []), prefix, in_class)
                for handler in getattr(node, "handlers", []):
                    visit(handler.body, prefix, in_class)

    add(module, "module", f"import {module}", tree, 1)
    visit(tree.body, module, in_class=False)
    return found, aliases


def read_modules(*modules: tuple[str, str]) -> tuple[tuple[Document, ...], tuple[Alias, ...]]:
    """Documents and aliases of some modules, each a name and a path. Called in any interpreter."""
    library = str(Path(sysconfig.get_path("stdlib")).parent)
    documents: list[Document] = []
    aliases: list[Alias] = []
    for module, path in modules:
        try:
            with open(path, encoding="utf-8") as file:
                source = file.read()
            new, new_aliases = documents_of(module, source, path.removeprefix(library + "/"))
        except OSError, SyntaxError, ValueError, RecursionError:
            # Some files of the library are there to be wrong (lib2to3's and tkinter's data); they
            # document nothing.
            continue
        documents += new
        aliases += new_aliases
    return tuple(documents), tuple(aliases)


def compiled() -> list[Document]:
    """What modules written in C say about themselves: a child process imports and asks them."""
    child = subprocess.run(
        [sys.executable, "-I", str(Path(__file__).with_name("pydocs_compiled.py"))],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        check=False,
    )
    documents: list[Document] = []
    # Each line is whole or absent: when a module crashes the child, what came before is kept.
    for line in child.stdout.split(b"\n")[:-1]:
        if line.startswith(b"["):
            name, kind, call, where, text = json.loads(line)
            documents.append((name, kind, call, where, text))
    return documents


def with_aliases(documents: dict[str, Document], aliases: list[Alias]) -> None:
    """Document things also under the names by which other modules take them over: `os.open` is
    `posix.open`.
    """
    public = {module: set(names.split(",")) for module, source, names in aliases if not source}
    # Twice, for what was taken over from a module that took it over itself.
    for _ in range(2):
        take_over(documents, aliases, public)
    for name in list(documents):
        module, dot, rest = name.partition(".")
        if module in RENAMED:
            new = RENAMED[module] + dot + rest
            documents.setdefault(new, (new, *documents[name][1:]))


def take_over(
    documents: dict[str, Document], aliases: list[Alias], public: dict[str, set[str]]
) -> None:
    """Add a document for each alias whose original is documented, and for the members of classes
    among them.
    """
    members: dict[str, list[str]] = {}
    for name in documents:
        parent, _, last = name.rpartition(".")
        members.setdefault(parent, []).append(last)

    def take(original: str, name: str) -> None:
        document = documents.get(original)
        if document is None or document[1] == "module":
            return
        documents.setdefault(name, (name, *document[1:]))
        if document[1] == "class":
            for member in members.get(original, []):
                take(f"{original}.{member}", f"{name}.{member}")

    for module, source, names in aliases:
        old, _, new = names.partition("=")
        if source and old == "*":
            for name in members.get(source, []):
                if name in public[source] if source in public else not name.startswith("_"):
                    take(f"{source}.{name}", f"{module}.{name}")
        elif source and (new in public[module] if module in public else not new.startswith("_")):
            take(f"{source}.{old}", f"{module}.{new}")


def gather(pool: Pool) -> list[Document]:
    """Every document, by name. Modules are parsed by the pool's interpreters, several at once."""
    modules = [(name, str(path)) for name, path in sources()]
    tasks = [
        tuple(modules[at : at + MODULES_PER_TASK])
        for at in range(0, len(modules), MODULES_PER_TASK)
    ]
    documents: dict[str, Document] = {}
    aliases: list[Alias] = []
    with Progress("reading the standard library", len(modules), "modules") as progress:
        for number, (found, found_aliases) in enumerate(pool.map(read_modules, tasks), 1):
            for document in found:
                documents.setdefault(document[0], document)
            aliases += found_aliases
            progress.update(min(len(modules), number * MODULES_PER_TASK))
        for document in compiled():
            documents.setdefault(document[0], document)
        progress.update(len(modules), f"{len(documents):,} documents")
    with_aliases(documents, aliases)
    if not documents:
        raise Trouble("this Python's standard library has no sources and no documentation")
    return [documents[name] for name in sorted(documents)]


def page(document: Document) -> str:
    """A document as people read it."""
    name, kind, call, where, text = document
    text = inspect.cleandoc(text).strip()
    return f"{name}\n{'=' * len(name)}\n\n{kind}: {call}\n{where}\n\n{text}\n"


def second_title(name: str) -> str | None:
    """`join (os.path)` for `os.path.join`; None for what has no parent."""
    parent, _, last = name.rpartition(".")
    return f"{last} ({parent})" if parent else None


def entries(documents: list[Document]) -> Iterator[tuple[bytes, list[str]]]:
    """Each document's text and its titles."""
    for document in documents:
        second = second_title(document[0])
        yield (
            page(document).encode("utf-8", "replace"),
            [document[0], *([second] if second else [])],
        )


def write(folder: Path, documents: list[Document]) -> None:
    """Write `source.txt` and its index into a new folder."""
    folder.mkdir()
    rows: list[titles.Entry] = []
    position = 0
    with (folder / "source.txt").open("wb") as file:
        for text, names in entries(documents):
            rows += [(name, position, position + len(text)) for name in names]
            file.write(text + b"\n\n")
            position += len(text) + 2
    index = titles.pack(rows)
    with (folder / "index").open("wb") as file:
        file.write(json.dumps([len(column) for column in index]).encode() + b"\n")
        file.writelines(index)


def read(folder: Path) -> Index:
    """The index that `write` wrote."""
    with (folder / "index").open("rb") as file:
        text, begins, starts, stops = (file.read(size) for size in json.loads(file.readline()))
    return text, begins, starts, stops


def cache_name() -> str:
    """A name for this Python's documentation: another build or version has another."""
    build = f"{FORMAT} {sys.version} {sysconfig.get_path('stdlib')}"
    return f"python-{platform.python_version()}-{hashlib.sha256(build.encode()).hexdigest()[:8]}"
