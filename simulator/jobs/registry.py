"""Things and flat thing groups, as far as jobs need them."""

import re
from typing import Final

from simulator.errors import InvalidRequest, ResourceAlreadyExists, ResourceNotFound

THING_NAME: Final = re.compile(r"[a-zA-Z0-9:_-]{1,128}")
JOB_ID: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def check_thing_name(name: str) -> None:
    """Raise InvalidRequest unless ``name`` is 1 to 128 of ``a-z A-Z 0-9 : _ -``."""
    if not THING_NAME.fullmatch(name):
        raise InvalidRequest(
            f"Value {name!r} at 'thingName' must be 1 to 128 characters of a-zA-Z0-9:_-"
        )


def check_job_id(job_id: str) -> None:
    """Raise InvalidRequest unless ``job_id`` is 1 to 64 of ``a-z A-Z 0-9 _ -``."""
    if not JOB_ID.fullmatch(job_id):
        raise InvalidRequest(
            f"Value {job_id!r} at 'jobId' must be 1 to 64 characters of a-zA-Z0-9_-"
        )


class Registry:
    """Names only: what a thing has pending is the ledger's business.

    Groups keep their members in order of joining, so that a rollout's order is the same each time.
    """

    def __init__(self, region: str = "us-east-1", account: str = "123456789012") -> None:
        self.arn_prefix = f"arn:aws:iot:{region}:{account}:"
        self.things: dict[str, None] = {}
        self.groups: dict[str, dict[str, None]] = {}

    def thing_arn(self, name: str) -> str:
        """The ARN of a thing."""
        return f"{self.arn_prefix}thing/{name}"

    def group_arn(self, name: str) -> str:
        """The ARN of a thing group."""
        return f"{self.arn_prefix}thinggroup/{name}"

    def job_arn(self, job_id: str) -> str:
        """The ARN of a job."""
        return f"{self.arn_prefix}job/{job_id}"

    def create_thing(self, name: str) -> None:
        """Register a thing; doing it again changes nothing (as AWS, for equal attributes)."""
        check_thing_name(name)
        self.things[name] = None

    def create_thing_group(self, name: str) -> None:
        """Make an empty group; raise ResourceAlreadyExists where AWS would."""
        check_thing_name(name)
        if name in self.groups:
            raise ResourceAlreadyExists(f"Thing Group {name} already exists in current account")
        self.groups[name] = {}

    def add_thing_to_thing_group(self, thing: str, group: str) -> None:
        """Let a thing join a group; it may be a member already."""
        if group not in self.groups:
            raise ResourceNotFound(f"Thing group {group} not found")
        if thing not in self.things:
            raise ResourceNotFound(f"Thing {thing} not found")
        self.groups[group][thing] = None

    def resolve(self, targets: list[str]) -> list[str]:
        """The things that job targets name, each once, in order.

        Raises:
            InvalidRequest: a target is not the ARN of a thing or thing group of this account.
            ResourceNotFound: a target names something that does not exist.
        """
        found: dict[str, None] = {}
        for arn in targets:
            kind, _, name = arn.removeprefix(self.arn_prefix).partition("/")
            if not arn.startswith(self.arn_prefix) or kind not in ("thing", "thinggroup"):
                raise InvalidRequest(
                    f"Target {arn!r} is not the ARN of a thing or thing group of this account "
                    f"({self.arn_prefix}thing/NAME or {self.arn_prefix}thinggroup/NAME)"
                )
            members = {name: None} if kind == "thing" else self.groups.get(name)
            if members is None or (kind == "thing" and name not in self.things):
                raise ResourceNotFound(f"Target {arn} not found")
            found.update(members)
        return list(found)
