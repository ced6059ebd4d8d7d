"""Where a msgspec shape and botocore's model of it differ: members, bounds, patterns, enums."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
from msgspec import inspect

Model = dict[str, Any]

NUMBERS = {"integer", "long", "double", "float", "timestamp"}


class Difference(NamedTuple):
    """``shape`` is botocore's name of the innermost shape; ``kind`` is min, max, pattern, …"""

    shape: str
    kind: str
    botocore: object
    ours: object


def differences(
    kind: type[msgspec.Struct], shape: str, shapes: Model, *, told: bool = False
) -> set[Difference]:
    """Every difference, down to the leaves; of what is only told bounds do not matter."""
    return set(_struct(inspect.type_info(kind), shape, shapes, told, {}))


def _unwrapped(found: Any) -> Any:
    """A type without ``None`` and ``UNSET``."""
    while True:
        if isinstance(found, inspect.Metadata):
            found = found.type
        elif isinstance(found, inspect.UnionType):
            nothing = (inspect.NoneType, inspect.CustomType)
            (found,) = [one for one in found.types if not isinstance(one, nothing)]
        else:
            return found


def _compare(ours: Any, shape: str, shapes: Model, told: bool, seen: Any) -> Iterator[Difference]:
    ours, theirs = _unwrapped(ours), shapes[shape]
    if isinstance(ours, inspect.StructType):
        yield from _struct(ours, shape, shapes, told, seen)
        return
    yield from _of_type(ours, shape, theirs)
    if not told:
        yield from _bounds(ours, shape, theirs)
    enum = sorted(theirs.get("enum", ()))
    values = sorted(map(str, ours.values)) if isinstance(ours, inspect.LiteralType) else []
    if enum != values:
        yield Difference(shape, "enum", tuple(enum), tuple(values))
    if isinstance(ours, inspect.ListType | inspect.VarTupleType) and theirs["type"] == "list":
        yield from _compare(ours.item_type, theirs["member"]["shape"], shapes, told, seen)
    elif isinstance(ours, inspect.DictType) and theirs["type"] == "map":
        yield from _compare(ours.key_type, theirs["key"]["shape"], shapes, told, seen)
        yield from _compare(ours.value_type, theirs["value"]["shape"], shapes, told, seen)


def _struct(ours: Any, shape: str, shapes: Model, told: bool, seen: Any) -> Iterator[Difference]:
    theirs = shapes[shape]
    if theirs["type"] != "structure":
        yield Difference(shape, "type", theirs["type"], "structure")
        return
    if (ours.cls, shape) in seen:
        return
    seen[ours.cls, shape] = None
    required = set(theirs.get("required", ()))
    for field in ours.fields:
        name = field.encode_name
        if name not in theirs["members"]:
            yield Difference(f"{shape}.{name}", "member", "none", "there")
            continue
        if not told and field.required != (name in required):
            yield Difference(f"{shape}.{name}", "required", name in required, field.required)
        yield from _compare(field.type, theirs["members"][name]["shape"], shapes, told, seen)
    given = {field.encode_name for field in ours.fields}
    for name, member in theirs["members"].items():
        if name not in given and member.get("location") != "uri":
            yield Difference(f"{shape}.{name}", "member", "there", "none")


def _of_type(ours: Any, shape: str, theirs: Model) -> Iterator[Difference]:
    kinds: dict[type, set[str]] = {
        inspect.StrType: {"string"},
        inspect.LiteralType: {"string"},
        inspect.BoolType: {"boolean"},
        inspect.IntType: NUMBERS - {"double", "float"},
        inspect.FloatType: NUMBERS,
        inspect.ListType: {"list"},
        inspect.VarTupleType: {"list"},
        inspect.DictType: {"map"},
    }
    if theirs["type"] not in kinds[type(ours)]:
        yield Difference(shape, "type", theirs["type"], type(ours).__name__)


def _bounds(ours: Any, shape: str, theirs: Model) -> Iterator[Difference]:
    low = getattr(ours, "ge", getattr(ours, "min_length", None))
    high = getattr(ours, "le", getattr(ours, "max_length", None))
    if (theirs.get("min") or None) != (low or None):  # no minimum and 0 are the same for a length
        yield Difference(shape, "min", theirs.get("min"), low)
    if theirs.get("max") != high:
        yield Difference(shape, "max", theirs.get("max"), high)
    above = getattr(ours, "gt", None)
    if above is not None:
        yield Difference(shape, "min", theirs.get("min"), f"above {above}")
    pattern = (getattr(ours, "pattern", None) or "").removeprefix(r"\A").removesuffix(r"\Z")
    if (theirs.get("pattern") or "").removeprefix("^").removesuffix("$") != pattern:
        yield Difference(shape, "pattern", theirs.get("pattern"), pattern)
