"""Every exception that jobfleet raises, drawn as a tree.

    JobfleetError
    ├── Rejection                      the Jobs service said no       code / HTTP status
    │   ├── InvalidTopic                                              InvalidTopic / 404
    │   ├── InvalidJson                                               InvalidJson / 400
    │   ├── InvalidRequest                                            InvalidRequest / 400
    │   ├── InvalidStateTransition                                    InvalidStateTransition / 409
    │   ├── VersionMismatch                                           VersionMismatch / 400
    │   ├── VersionConflict            control plane only             VersionConflict / 409
    │   ├── ResourceNotFound                                          ResourceNotFound / 404
    │   ├── ResourceAlreadyExists      control plane only             ResourceAlreadyExists / 409
    │   ├── Conflict                   control plane only             Conflict / 409
    │   ├── LimitExceeded              control plane only             LimitExceeded / 410
    │   ├── TerminalStateReached                                      TerminalStateReached / 410
    │   ├── RequestThrottled                                          RequestThrottled / 429
    │   ├── ControlPlaneThrottled      control plane only             Throttling / 400
    │   └── InternalError                                             InternalError / 500
    ├── NoReply                        a request went unanswered
    ├── Disconnected                   the connection ended
    ├── MqttError                      the peer broke MQTT
    ├── ScenarioError                  the scenario file is wrong     exit code 2
    ├── UsageError                     the command line is wrong      exit code 2
    ├── AwsCliError                    a command of `jobfleet iot-jobs-data`   its own exit code
    ├── TargetError                    the target cannot be reached   exit code 3
    ├── AwsRefused                     AWS refused a call of `jobfleet provision`
    ├── NothingCanHappen               every task waits and no timer is set
    └── TimeStandsStill                work without end at one instant       exit code 2

Rule 1: whatever a library raises is translated into one of these where that library is used.
Rule 2: a Rejection carries what AWS would answer, so that each door only has to write it down:
        ``code`` is the MQTT ``code``; ``http_status`` and ``http_error`` are the REST-JSON twin.
"""

from typing import ClassVar


class JobfleetError(Exception):
    """The root: catching it catches everything that jobfleet raises on purpose."""


class Rejection(JobfleetError):
    """The Jobs service refused a request.

    Attributes:
        code: the ``code`` of a rejected message over MQTT (DG:jobs-api).
        http_status: the status of the HTTP answer.
        http_error: the modelled exception's name (botocore ``iot-jobs-data`` and ``iot``).
        execution_state: the execution's state, present only where AWS sends it
            (VersionMismatch, and InvalidStateTransition caused by the current state);
            a ``simulator.jobs.messages.JobExecutionState``.
        client_token: the request's token, where the request could be parsed.
        hint: what whoever runs the service may want to know; not sent to the client.
    """

    code: ClassVar[str] = "InternalError"
    http_status: ClassVar[int] = 500
    http_error: ClassVar[str] = "InternalFailureException"

    def __init__(self, message: str, execution_state: object | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.execution_state = execution_state
        self.client_token: str | None = None
        self.hint: str | None = None


class InvalidTopic(Rejection):
    """A topic (or path) in the jobs namespace names no operation."""

    code = "InvalidTopic"
    http_status = 404
    http_error = "UnknownOperationException"


class InvalidJson(Rejection):
    """The payload is not a UTF-8 JSON object."""

    code = "InvalidJson"
    http_status = 400
    http_error = "InvalidRequestException"


class InvalidRequest(Rejection):
    """The payload is JSON, but not what the operation takes."""

    code = "InvalidRequest"
    http_status = 400
    http_error = "InvalidRequestException"


class InvalidStateTransition(Rejection):
    """The execution may not go from its status to the one asked for."""

    code = "InvalidStateTransition"
    http_status = 409
    http_error = "InvalidStateTransitionException"


class VersionMismatch(Rejection):
    """``expectedVersion`` is not the stored version.

    The data-plane model has no exception for it; 400 InvalidRequestException with AWS's wording
    is the most probable HTTP answer (docs/fidelity.md).
    """

    code = "VersionMismatch"
    http_status = 400
    http_error = "InvalidRequestException"


class VersionConflict(Rejection):
    """``expectedVersion`` of a control-plane request is not the stored version."""

    code = "VersionConflict"
    http_status = 409
    http_error = "VersionConflictException"


class ResourceNotFound(Rejection):
    """What the request names does not exist."""

    code = "ResourceNotFound"
    http_status = 404
    http_error = "ResourceNotFoundException"


class ResourceAlreadyExists(Rejection):
    """What the request would create exists already."""

    code = "ResourceAlreadyExists"
    http_status = 409
    http_error = "ResourceAlreadyExistsException"


class Conflict(Rejection):
    """What the request would create exists already (job templates say it so)."""

    code = "Conflict"
    http_status = 409
    http_error = "ConflictException"


class LimitExceeded(Rejection):
    """A quota is used up."""

    code = "LimitExceeded"
    http_status = 410
    http_error = "LimitExceededException"


class TerminalStateReached(Rejection):
    """A describe of an execution that has ended."""

    code = "TerminalStateReached"
    http_status = 410
    http_error = "TerminalStateException"


class RequestThrottled(Rejection):
    """Too many requests."""

    code = "RequestThrottled"
    http_status = 429
    http_error = "ThrottlingException"


class ControlPlaneThrottled(Rejection):
    """Too many requests to one control-plane operation (botocore ``iot``: 400, not 429)."""

    code = "Throttling"
    http_status = 400
    http_error = "ThrottlingException"


class InternalError(Rejection):
    """The service failed; never raised on purpose by the core."""


class NoReply(JobfleetError):
    """A request was sent and nothing came back in time.

    Attributes:
        applied: whether the service had taken it all the same, as only a network that is simulated
            can know; None where nobody does.
    """

    def __init__(self, message: str, applied: bool | None = None) -> None:
        super().__init__(message)
        self.applied = applied


class Disconnected(JobfleetError):
    """The connection ended, or was never there."""


class MqttError(JobfleetError):
    """The peer broke MQTT, or a rule of AWS's broker.

    Attributes:
        return_code: the CONNACK code to answer an MQTT 3.1.1 client with, if any.
        reason: the reason code that an MQTT 5 client hears, in CONNACK or DISCONNECT; 0x81 is
            "malformed packet".
    """

    def __init__(self, message: str, return_code: int | None = None, reason: int = 0x81) -> None:
        super().__init__(message)
        self.return_code = return_code
        self.reason = reason


class ScenarioError(JobfleetError):
    """A scenario file is wrong; the message names file, line, key and what is allowed."""


class UsageError(JobfleetError):
    """The command line, or the machine it runs on, does not allow what was asked."""


class AwsCliError(JobfleetError):
    """A command of ``jobfleet iot-jobs-data`` cannot go on; it ends as the AWS CLI would."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class TargetError(JobfleetError):
    """The service under test cannot be reached, or was lost."""


class AwsRefused(JobfleetError):
    """AWS, asked for something while provisioning, refused; ``code`` is its exception's name."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class NothingCanHappen(JobfleetError):
    """A virtual run came to a stand: every task waits and no timer is set."""


class TimeStandsStill(JobfleetError):
    """A virtual run never gets on: its tasks always have something to do at the same instant."""
