"""``--generate-cli-skeleton``: samples of an operation's input and output, from botocore's model.

The AWS CLI's own ``output`` sample of three of these operations is one that it then refuses
("Invalid length for parameter executionState.statusDetails.KeyName"). Ours keeps to the model:
an enum's value is one of it, and nothing is shorter than it may be.
"""

import re
from typing import Any
from xml.etree import ElementTree


def sample(shape: Any, name: str = "", *, filled: bool = False) -> Any:
    """A sample of a shape; with ``filled`` a valid one, otherwise one with empty strings."""
    kind = shape.type_name
    if kind == "structure":
        return {key: sample(part, key, filled=filled) for key, part in shape.members.items()}
    if kind == "list":
        return [sample(shape.member, filled=filled)]
    if kind == "map":
        return {"KeyName": sample(shape.value, shape.value.name, filled=filled)}
    if kind == "boolean":
        return True
    if kind == "string":
        if getattr(shape, "enum", None):
            return shape.enum[0]
        return name if filled else ""
    return 0


def as_yaml(shape: Any) -> str:
    """An input sample as YAML, each member with its meaning beside it."""
    from io import StringIO

    from ruamel.yaml import YAML

    yaml = YAML()
    members = yaml.map()
    for name, part in shape.members.items():
        members[name] = sample(part)
        words = ["[REQUIRED]"] if name in shape.required_members else []
        words.append(overview(part.documentation))
        if getattr(part, "enum", None):
            words.append(f"Valid values are: {', '.join(part.enum)}.")
        comment = " ".join(words)
        if comment.strip():
            members.yaml_add_eol_comment(f"# {comment}", name)
    text = StringIO()
    yaml.dump(members, text)
    return text.getvalue()


def plain(documentation: str) -> str:
    """Documentation without its markup."""
    try:
        return "".join(ElementTree.fromstring(f"<doc>{documentation}</doc>").itertext())
    except ElementTree.ParseError:
        return re.sub("<[^>]*>", "", documentation)


def overview(documentation: str) -> str:
    """The first sentence, in one line."""
    first = re.split(r"[.:]+", plain(documentation), maxsplit=1)[0]
    return re.sub("[\n\u2028]", " ", first + "." if first else "")
