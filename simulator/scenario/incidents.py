"""What happens to the service: ``service`` in the file, each entry with exactly one action."""

from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from simulator import behaviour
from simulator.behaviour.incidents import Kind
from simulator.scenario.quantities import Duration, Name, Part, PositiveDuration, Share
from simulator.scenario.selectors import Selected
from simulator.scenario.units import shown

KINDS: Final[dict[str, Kind]] = {
    "cancel_job": "cancel-job",
    "delete_job": "delete-job",
    "update_job": "update-job",
    "cancel_execution": "cancel-execution",
    "join": "join",
    "leave": "leave",
    "second_writer": "second-writer",
    "disconnect": "disconnect",
    "outage": "outage",
    "throttle": "throttle",
    "lose_requests": "lose-requests",
    "lose_replies": "lose-replies",
    "duplicate_replies": "duplicate-replies",
}
"""Actions by their keys."""

OF_JOBS: Final = ("cancel_job", "delete_job")
"""Actions whose value is a job."""

OF_THINGS: Final = ("cancel_execution", "join", "leave", "second_writer", "disconnect")
"""Actions whose value selects things."""

OF_REQUESTS: Final = ("throttle", "lose_requests", "lose_replies", "duplicate_replies")
"""Actions whose value is a share of requests."""

FITS: Final[dict[str, tuple[str, ...]]] = {
    "lasts": ("second_writer", "disconnect", *OF_REQUESTS),
    "every": ("second_writer", "disconnect"),
    "force": ("cancel_job", "delete_job", "cancel_execution"),
    "job": ("update_job", "cancel_execution", "join", "leave", "second_writer"),
}
"""The actions that a key beside them belongs to."""


def _job(value: object) -> object:
    if value is True or isinstance(value, str):
        return value
    raise ValueError(f"{shown(value)} is not possible; write a job's id, or true for all")


WhichJob = Annotated[
    str | Literal[True],
    BeforeValidator(_job),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"const": True}]}),
]
Requests = Annotated[Share, Field(gt=0)]


class IncidentPart(Part):
    """Something that happens to the service at a moment, or for a while."""

    name: Name | None = Field(None, description="In messages and records; its action if absent.")
    at: Duration = Field(0.0, description="When, in scenario time.")
    lasts: PositiveDuration | None = Field(
        None, description="For how long; until the end if absent."
    )
    every: PositiveDuration | None = Field(
        None, description="second_writer and disconnect: again so often, while it lasts."
    )
    force: bool | None = Field(None, description="As the API's force.")
    job: str | None = Field(None, description="Of which job, by its id; of all if absent.")

    cancel_job: WhichJob | None = Field(None, description="CancelJob: a job's id, or true.")
    delete_job: WhichJob | None = Field(None, description="DeleteJob: a job's id, or true.")
    update_job: dict[str, Any] | None = Field(None, description="UpdateJob with this request.")
    cancel_execution: Selected | None = Field(
        None, description="CancelJobExecution of these things, or true for all."
    )
    join: Selected | None = Field(None, description="These things enter the job's group.")
    leave: Selected | None = Field(None, description="These things leave the job's group.")
    second_writer: Selected | None = Field(
        None, description="Somebody else writes into these things' executions IN_PROGRESS."
    )
    disconnect: Selected | None = Field(
        None, description="The connections of these things are closed."
    )
    outage: PositiveDuration | None = Field(None, description="For so long, nothing is answered.")
    throttle: Requests | None = Field(None, description="Share of requests that are throttled.")
    lose_requests: Requests | None = Field(None, description="Share that never arrives.")
    lose_replies: Requests | None = Field(None, description="Share that is done, not answered.")
    duplicate_replies: Requests | None = Field(None, description="Share that is answered twice.")

    @model_validator(mode="after")
    def _one_action(self) -> "IncidentPart":
        actions = [key for key in KINDS if getattr(self, key) is not None]
        if len(actions) != 1:
            which = f", not {' and '.join(actions)}" if actions else ""
            raise ValueError(f"exactly one action is needed{which}; allowed: {', '.join(KINDS)}")
        for key, fits in FITS.items():
            if getattr(self, key) is not None and actions[0] not in fits:
                raise ValueError(
                    f"{key} does not belong to {actions[0]}; it is of {', '.join(fits)}"
                )
        return self

    @property
    def action(self) -> str:
        """The key of its action."""
        return next(key for key in KINDS if getattr(self, key) is not None)

    @property
    def target_job(self) -> str | None:
        """The id of the job that it is about; None: all."""
        value = getattr(self, self.action)
        return value if self.action in OF_JOBS and isinstance(value, str) else self.job

    def plain(self, number: int) -> behaviour.Incident:
        """As a plain value; ``number`` tells it from others without a name."""
        action, value = self.action, getattr(self, self.action)
        name = self.name or f"{KINDS[action]}-{number}"
        of_things = action in OF_THINGS
        lasts = value if action == "outage" else self.lasts
        return behaviour.Incident(
            name,
            KINDS[action],
            self.at,
            float("inf") if lasts is None else lasts,
            value.selection(name) if of_things else behaviour.EVERYTHING,
            self.target_job,
            bool(self.force),
            value if action in OF_REQUESTS else 1.0,
            self.every,
            value if action == "update_job" else {},
        )
