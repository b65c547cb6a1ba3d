"""The files of `allcores serve`: options in TOML, and environment variables in lines."""

from __future__ import annotations

import os

from allcores._command_options import OPTIONS, UsageError, check_value, read_text, unknown_hint

# Not from typing, whose import stays in a program that only serves; see _command_options.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_QUOTED = {"n": "\n", "r": "\r", "t": "\t"}


def read_config(path: str) -> dict[str, Any]:
    """The options of a TOML file, by their names with '-'; "app" is the target. UsageError."""
    import tomllib

    try:
        with open(path, "rb") as file:
            read = tomllib.load(file)
    except OSError as error:
        raise UsageError(f"--config {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"--config {path}: {error}") from None
    found: dict[str, Any] = {}
    for key, value in read.items():
        name = key.replace("_", "-")
        where = f"{path}: {key}"
        if name == "app":
            if not isinstance(value, str):
                raise UsageError(f"{where} must be a text such as 'main:app'")
            found["app"] = value
            continue
        if name == "config":
            raise UsageError(f"{where} is for the command line")
        if name not in OPTIONS:
            raise UsageError(f"{path}: there is no option {key}{unknown_hint(name)}")
        if name in found:
            raise UsageError(f"{where} is there twice")
        found[name] = _value(where, name, value)
    return found


def _value(where: str, name: str, value: Any) -> Any:
    option = OPTIONS[name]
    if option.many:
        mark = {"header": ":", "static": "="}.get(name)
        if mark and isinstance(value, dict):
            for key, text in value.items():
                if not isinstance(text, str):
                    raise UsageError(f"{where}.{key} must be a text, not {text!r}")
            value = [f"{key}{mark}{text}" for key, text in value.items()]
        values = value if isinstance(value, list) else [value]
        return [_value_of_one(where, name, each) for each in values]
    return _value_of_one(where, name, value)


def _value_of_one(where: str, name: str, value: Any) -> Any:
    option = OPTIONS[name]
    kinds = {"int": int, "seconds": (int, float), "flag": bool, "bool": bool}
    kinds["seconds or none"] = kinds["seconds"]
    if option.kind == "octal":  # a text, or a number as TOML has them: 0o660
        if isinstance(value, str):
            return read_text(where, option, value)
        kinds["octal"] = int
    kind: Any = kinds.get(option.kind, str)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        wanted = {str: "a text", bool: "true or false"}.get(kind, "a number")
        raise UsageError(f"{where} must be {wanted}, not {value!r}")
    check_value(where, option, value)
    return value


def load_env_file(path: str) -> None:
    """Add the variables of a file to the environment, where they are not there yet. UsageError."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            text = file.read()
    except OSError as error:
        raise UsageError(f"--env-file {path}: {error.strerror}") from None
    except ValueError as error:  # bytes that are not UTF-8, a path with NUL
        raise UsageError(f"--env-file {path}: {error}") from None
    for name, value in parse_env(text, path).items():
        os.environ.setdefault(name, value)


def parse_env(text: str, path: str) -> dict[str, str]:
    """The variables of a text of NAME=VALUE lines, as others who read .env files have them.

    A line may begin with "export"; "#" begins a comment; a value in quotes may have several lines,
    in double ones also \\n and the like; outside of single quotes ${NAME} and ${NAME:-otherwise}
    stand for a variable's value.
    """
    found: dict[str, str] = {}
    at, line = 0, 1
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        first = text[at:end].strip()
        if not first or first.startswith("#"):
            at, line = end + 1, line + 1
            continue
        name, equals, _ = text[at:end].partition("=")
        value_at = at + len(name) + 1
        name = name.strip()
        name = name[7:].strip() if name.startswith(("export ", "export\t")) else name
        if not equals or not name.isidentifier():
            raise UsageError(f"{path}, line {line}: {first!r} is not of the form NAME=VALUE")
        while value_at < end and text[value_at] in " \t":
            value_at += 1
        quote = text[value_at] if value_at < end else ""
        if quote in ("'", '"') and quote:
            value, after = _quoted(text, value_at)
            if after < 0:
                raise UsageError(f"{path}, line {line}: the quote {quote} of {name} has no end")
            end = text.find("\n", after)
            end = len(text) if end < 0 else end
            rest = text[after:end].strip()
            if rest and not rest.startswith("#"):
                raise UsageError(f"{path}, line {line}: {rest!r} behind the value of {name}")
        else:
            value = text[value_at:end]
            cut = min((i for i in (value.find(" #"), value.find("\t#")) if i >= 0), default=None)
            value = "" if value.startswith("#") else value[:cut].strip()
        found[name] = value if quote == "'" else _expand(value, found)
        if "\0" in value:
            raise UsageError(f"{path}, line {line}: the value of {name} has a NUL")
        line += text.count("\n", at, end) + 1
        at = end + 1
    return found


def _quoted(text: str, at: int) -> tuple[str, int]:
    """The value between the quote there and its end, and what follows; -1 without an end."""
    quote = text[at]
    at += 1
    value: list[str] = []
    while at < len(text):
        each = text[at]
        if each == quote:
            return "".join(value), at + 1
        if each == "\\" and at + 1 < len(text):
            at += 1
            after = text[at]
            if after in (quote, "\\"):
                each = after
            elif quote == '"':
                each = _QUOTED.get(after, "\\" + after)
            else:
                each += after
        value.append(each)
        at += 1
    return "", -1


def _expand(value: str, known: dict[str, str]) -> str:
    parts: list[str] = []
    at = 0
    while (start := value.find("${", at)) >= 0:
        end = value.find("}", start)
        if end < 0:
            break
        name, colon, otherwise = value[start + 2 : end].partition(":-")
        text = os.environ.get(name, known.get(name, ""))
        parts += [value[at:start], text or (otherwise if colon else "")]
        at = end + 1
    return "".join([*parts, value[at:]])
