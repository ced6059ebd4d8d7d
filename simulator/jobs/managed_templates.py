"""AWS's managed job templates: what they are called, their documents, their parameters.

The documents hold ``${aws:iot:parameter:NAME}``, which CreateJob's documentParameters replace. An
optional parameter that is not given becomes an empty text (docs/fidelity.md).

Source: DG:job-templates-managed, DG:job-template-manage-cli-create.
"""

import re
from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Struct

from simulator.errors import InvalidRequest, ResourceNotFound

VERSION: Final = "1.0"
ENVIRONMENTS: Final = ("LINUX",)

PARAMETER: Final = re.compile(r"\$\{aws:iot:parameter:([a-zA-Z0-9_-]+)\}")


class DocumentParameter(Struct, rename="camel", frozen=True):
    """A parameter of a managed template's document."""

    key: str
    description: str
    regex: str
    example: str
    optional: bool


class ManagedJobTemplate(Struct, rename="camel", frozen=True):
    """A managed template as DescribeManagedJobTemplate tells it."""

    template_name: str
    template_arn: str
    description: str
    template_version: str
    environments: tuple[str, ...]
    document_parameters: tuple[DocumentParameter, ...]
    document: str

    def filled_in(self, parameters: dict[str, str]) -> str:
        """The document with its parameters put in.

        Raises:
            InvalidRequest: a parameter is missing, unknown, or not what it may be.
        """
        known = {p.key: p for p in self.document_parameters}
        for key in parameters:
            if key not in known:
                raise InvalidRequest(
                    f"{self.template_name} has no parameter {key!r}; it has {', '.join(known)}"
                )
        for key, parameter in known.items():
            value = parameters.get(key)
            if value is None and not parameter.optional:
                raise InvalidRequest(f"{self.template_name} needs the parameter {key!r}")
            if value is not None and not re.fullmatch(parameter.regex, value):
                raise InvalidRequest(
                    f"Parameter {key!r} does not match {parameter.regex}: {value[:80]!r}"
                )
        put_in: Callable[[re.Match[str]], str] = lambda match: _escaped(  # noqa: E731
            parameters.get(match.group(1), "")
        )
        return PARAMETER.sub(put_in, self.document)


def _escaped(text: str) -> str:
    """A text as it stands between the quotes of JSON."""
    return msgspec.json.encode(text).decode()[1:-1]


_USER: Final = DocumentParameter(
    "runAsUser",
    "User to run the handler as; the device client's own where absent.",
    "(.){0,256}",
    "user1",
    True,
)
_PATH: Final = DocumentParameter(
    "pathToHandler",
    "Where the handler lies on the device; the device client's working directory where absent.",
    "(.){0,4096}",
    "/path/to/handler/script",
    True,
)


def _needed(key: str, description: str, example: str) -> DocumentParameter:
    return DocumentParameter(key, description, "(.*?)", example, False)


_ACTIONS: Final[dict[str, tuple[str, str, tuple[DocumentParameter, ...]]]] = {
    # name: (what it is for, handler, parameters)
    "Download-File": (
        "downloading a file",
        "download-file.sh",
        (
            _needed("downloadUrl", "Where to download from.", "http://www.example.com/index.html"),
            _needed("filePath", "Where to put it on the device.", "/path/to/file"),
        ),
    ),
    "Install-Application": (
        "installing one or more applications",
        "install-packages.sh",
        (_needed("packages", "Packages, separated by spaces.", "nginx mysql-server"),),
    ),
    "Reboot": ("rebooting the device", "reboot.sh", ()),
    "Remove-Application": (
        "uninstalling one or more applications",
        "remove-packages.sh",
        (_needed("packages", "Packages, separated by spaces.", "nginx mysql-server"),),
    ),
    "Restart-Application": (
        "restarting one or more system services",
        "restart-services.sh",
        (_needed("services", "Services, separated by spaces.", "nginx mysql"),),
    ),
    "Start-Application": (
        "starting one or more system services",
        "start-services.sh",
        (_needed("services", "Services, separated by spaces.", "nginx mysql"),),
    ),
    "Stop-Application": (
        "stopping one or more system services",
        "stop-services.sh",
        (_needed("services", "Services, separated by spaces.", "nginx mysql"),),
    ),
}


def _handler_document(action: str, handler: str, keys: list[str]) -> str:
    given = {"handler": handler, "path": "${aws:iot:parameter:pathToHandler}"}
    arguments = {"args": [f"${{aws:iot:parameter:{key}}}" for key in keys]} if keys else {}
    return _document(action, "runHandler", {**given, **arguments})


def _document(action: str, kind: str, given: dict[str, object]) -> str:
    step = {
        "action": {
            "name": action,
            "type": kind,
            "input": given,
            "runAsUser": "${aws:iot:parameter:runAsUser}",
        }
    }
    return msgspec.json.encode({"version": VERSION, "steps": [step]}).decode()


def managed_templates(region: str) -> dict[str, ManagedJobTemplate]:
    """All of them by name, with the ARNs of a region."""

    def made(
        action: str, purpose: str, document: str, parameters: tuple[DocumentParameter, ...]
    ) -> ManagedJobTemplate:
        name = f"AWS-{action}"
        return ManagedJobTemplate(
            name,
            f"arn:aws:iot:{region}::jobtemplate/{name}:{VERSION}",
            f"A managed job template for {purpose}.",
            VERSION,
            ENVIRONMENTS,
            parameters,
            document,
        )

    found = [
        made(
            action,
            purpose,
            _handler_document(action, handler, [p.key for p in parameters]),
            (*parameters, _USER, _PATH),
        )
        for action, (purpose, handler, parameters) in _ACTIONS.items()
    ]
    command = _document("Run-Command", "runCommand", {"command": "${aws:iot:parameter:command}"})
    commands = _needed("command", "Words of the command, separated by commas.", "ls,-l")
    found.append(made("Run-Command", "running a shell command", command, (commands, _USER)))
    return {template.template_name: template for template in sorted(found, key=_by_name)}


def _by_name(template: ManagedJobTemplate) -> str:
    return template.template_name


def managed_template(
    templates: dict[str, ManagedJobTemplate], name: str, version: str | None
) -> ManagedJobTemplate:
    """The template of a name and version; raise ResourceNotFound where there is none."""
    found = templates.get(name)
    if found is None or version not in (None, found.template_version):
        which = "" if version is None else f" with version {version}"
        raise ResourceNotFound(f"Managed job template {name}{which} not found")
    return found
