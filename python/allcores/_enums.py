"""Enumerations that go to another interpreter by value, as those of `__main__` do.

cloudpickle makes the members anew from their values: aliases are lost (or are an error), and what
`__new__` and `__init__` have given to members. Here members are made as what they are.
"""

from __future__ import annotations

import enum

# Not from typing: what a program imports without need is memory that it lacks elsewhere.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# What the metaclass makes by itself.
_MADE_ANEW = (
    "_generate_next_value_", "_member_names_", "_member_map_", "_member_type_",
    "_value2member_map_", "_hashable_values_", "_unhashable_values_", "_unhashable_values_map_",
)  # fmt: skip


def reduce_enum(cls: enum.EnumType, inside: Any) -> Any:
    """What a pickler is to be told of an enumeration; `inside` is the module of cloudpickle."""
    members: list[tuple[str, tuple[Any, ...], Any]] = []
    attributes: dict[str, Any] = {}
    variables, slots = inside._class_getstate(cls)
    found: dict[str, Any] = dict(cls.__members__)
    for name, member in found.items():
        # (Enum's own __reduce_ex__ says to look it up.)
        parts: Any = object.__reduce_ex__(member, 2)
        _, (_, *arguments), state, *_ = parts
        members.append((name, tuple(arguments), member._value_))
        attributes[name] = {
            key: value
            for key, value in (state or {}).items()
            if key not in ("_value_", "_name_", "__objclass__", "_sort_order_")
        }
        variables.pop(name, None)
    for name in _MADE_ANEW:
        variables.pop(name, None)
    # (Members come first: their class can't be changed any more after that.)
    made_of: tuple[Any, ...] = cls.__bases__, cls.__name__, cls.__qualname__, cls.__module__
    boundary = getattr(cls, "_boundary_", None)
    tracked = inside._get_or_create_tracker_id(cls)
    made_of = *made_of, members, boundary, tracked
    return make_enum, made_of, (variables, slots, attributes), None, None, restore_enum


def make_enum(
    bases: tuple[type, ...],
    name: str,
    qualname: str,
    module: str,
    members: list[tuple[str, tuple[Any, ...], Any]],
    boundary: Any,
    tracked: str,
) -> Any:
    """An enumeration with members, without the rest of what was in the class's body."""
    import cloudpickle.cloudpickle as inside

    kind: Any = type(bases[-1])
    body = kind.__prepare__(name, bases)
    body["__module__"], body["__qualname__"] = module, qualname

    def make_member(cls: Any, number: Any) -> Any:
        while isinstance(number, tuple):
            (number,) = number
        _, arguments, value = members[number]
        member = cls._member_type_.__new__(cls, *arguments)
        member._value_ = value
        return member

    if members:
        body["__new__"] = make_member
        body["__init__"] = lambda self, *_: None
    for number, (member, _, _) in enumerate(members):
        body[member] = number
    options = {} if boundary is None else {"boundary": boundary}
    made = kind.__new__(kind, name, bases, body, **options)
    if members:
        type.__delattr__(made, "__init__")
    return inside._lookup_class_or_track(tracked, made)


def restore_enum(made: Any, parts: tuple[Any, ...]) -> None:
    """The rest: methods, other variables of the class, and attributes of the members."""
    import cloudpickle.cloudpickle as inside

    variables, slots, attributes = parts
    inside._class_setstate(made, (variables, slots))
    for name, of_member in attributes.items():
        made.__members__[name].__dict__.update(of_member)
