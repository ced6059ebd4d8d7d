"""``docs/reference/scenario.md``: every key of the scenario file, from its JSON Schema.

Rule 1: what a table says is the schema's: type, default, description.
Rule 2: a part of the schema has one table; what uses it links there.
"""

import json
from typing import Any, Final

from simulator.scenario import json_schema

REFERENCE: Final = "#/$defs/"
DURATION: Final = "^(?:[0-9]+(?:\\.[0-9]+)?(?:ms|s|m|h|d))+$"
LONGEST: Final = 60
"""A default that is longer is the default of its parts, which have tables of their own."""


def page() -> str:
    """The whole page."""
    schema = json_schema()
    parts = [
        "# Scenario keys",
        "",
        "Every key of the scenario file, from the JSON Schema that `jobfleet schema` prints. "
        "[scenarios.md](../scenarios.md) explains them with examples.",
        "",
        "## The file",
        "",
        *_table(schema),
    ]
    for name, part in sorted(schema["$defs"].items()):
        parts += [f"## {name}", "", *([part["description"], ""] if "description" in part else [])]
        parts += _table(part) if "properties" in part else [f"{_type(part)}", ""]
    return "\n".join(parts)


def _table(part: dict[str, Any]) -> list[str]:
    needed = set(part.get("required", ()))
    lines = ["| key | type | default | |", "|---|---|---|---|"]
    for key, value in part["properties"].items():
        default = "**required**" if key in needed else _default(value)
        text = " ".join([_cell(value.get("description", "")), *_names(value)]).strip()
        lines.append(f"| `{key}` | {_type(value)} | {default} | {text} |")
    return [*lines, ""]


def _names(value: dict[str, Any]) -> list[str]:
    """The keys of a mapping that has no table, where they are limited."""
    limits = value.get("propertyNames", {})
    for kind in limits.get("anyOf", [limits]):
        if "enum" in kind:
            return [f"Keys: {', '.join(f'`{key}`' for key in kind['enum'])}."]
    return []


def _default(value: dict[str, Any]) -> str:
    if value.get("default") is None:
        return ""
    text = json.dumps(value["default"], ensure_ascii=False)
    return f"`{_cell(text)}`" if len(text) <= LONGEST else "that of its keys"


def _type(value: dict[str, Any]) -> str:
    """What may stand there, in words."""
    if "$ref" in value:
        name = value["$ref"].removeprefix(REFERENCE)
        return f"[{name}](#{name.lower()})"
    for choice in ("anyOf", "oneOf"):
        if choice in value:
            kinds = [_type(kind) for kind in value[choice] if kind.get("type") != "null"]
            return " or ".join(dict.fromkeys(kinds))
    if "const" in value or "enum" in value:
        written = value.get("enum", [value.get("const")])
        return ", ".join(f"`{json.dumps(each).strip(chr(34))}`" for each in written)
    kind = value.get("type", "anything")
    if isinstance(kind, list):
        return " or ".join(_scalar(value, each) for each in kind)
    if kind == "array":
        if "prefixItems" in value:
            return f"[{', '.join(_type(item) for item in value['prefixItems'])}]"
        return f"list of {_type(value.get('items', {}))}"
    if kind == "object":
        return f"mapping{_of(value)}"
    return f"{_scalar(value, str(kind))}{_bounds(value)}"


def _of(value: dict[str, Any]) -> str:
    more = value.get("additionalProperties")
    return f" to {_type(more)}" if isinstance(more, dict) else ""


def _scalar(value: dict[str, Any], kind: str) -> str:
    if value.get("pattern") == DURATION:
        return "duration"
    if "examples" in value:
        return f"text like `{_cell(str(value['examples'][0]))}`"
    words = {"string": "text", "integer": "whole number", "boolean": "true or false"}
    return words.get(kind, kind)


def _bounds(value: dict[str, Any]) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    said = [f"{sign} {_number(value[key])}" for key, sign in signs.items() if key in value]
    return f" {', '.join(said)}" if said else ""


def _number(value: float) -> str:
    return f"{int(value) if value == int(value) else value:,}"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
