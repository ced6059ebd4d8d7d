"""Calls to an AWS account: credentials found, paced within the quotas, tried again, understood.

Rule 1: botocore tries nothing again by itself: a certificate asked for twice is two certificates.
        What AWS threw back unread (throttled, unavailable) is asked again after a pause that
        doubles; of what may have been done although no answer came, the caller finds out first.
Rule 2: no more calls per second than asked for, and of no operation more than its quota.
Rule 3: errors say what to do. Wrong credentials, region and endpoint are the command line's fault;
        what AWS does not answer is the target's.

botocore is enough (boto3 is a veneer over these very clients), and is imported at the first use.
"""

import contextlib
import difflib
import functools
import os
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from simulator.errors import AwsRefused, NoReply, TargetError, UsageError
from simulator.interlock import Place, host_of, place
from simulator.provisioning.plan import quota_of

TRIES: Final = 8
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 20.0
TIMEOUT_S: Final = 15

THROWN_BACK: Final = {
    "ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded",
    "ServiceUnavailableException", "ServiceUnavailable",
}  # fmt: skip
REFUSED_CREDENTIALS: Final = {
    "UnrecognizedClientException", "InvalidClientTokenId", "SignatureDoesNotMatch", "ExpiredToken",
    "ExpiredTokenException", "InvalidSignatureException", "MissingAuthenticationToken",
    "AuthFailure",
}  # fmt: skip
NOT_ALLOWED: Final = {
    "AccessDenied", "AccessDeniedException", "UnauthorizedException", "ForbiddenException",
}  # fmt: skip
NOT_FOUND: Final = "ResourceNotFoundException"


class Pace:
    """When the next call may be made: a token bucket for all, and one for each operation."""

    def __init__(
        self,
        per_second: float,
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """A bucket holds one token: a second's worth at once is what throttling is for."""
        self._rate = per_second
        self._clock = clock
        self.sleep = sleep
        self._next: dict[str, float] = {}

    def wait(self, operation: str) -> None:
        """Sleep until an operation may be called."""
        now = self._clock()
        at = max(now, self._next.get("", now), self._next.get(operation, now))
        self._next[""] = at + 1 / self._rate
        self._next[operation] = at + 1 / min(self._rate, quota_of(operation))
        if at > now:
            self.sleep(at - now)


class Account:
    """One account in one region."""

    def __init__(
        self, region: str | None, profile: str | None, endpoint_url: str | None, pace: Pace
    ) -> None:
        """Find credentials and region as the AWS CLI does.

        Raises:
            UsageError: there are none, or the region is none.
        """
        import botocore.session
        from botocore.config import Config

        with understood("configuration"):
            session = botocore.session.Session(profile=profile)
            # As version 2 of the AWS CLI does; botocore reads the second variable only.
            name = region or os.environ.get("AWS_REGION") or session.get_config_variable("region")
            self.region = _checked(session, name, endpoint_url)
            if session.get_credentials() is None:
                raise UsageError(NO_CREDENTIALS)
            config = Config(
                retries={"total_max_attempts": 1, "mode": "standard"},
                connect_timeout=TIMEOUT_S,
                read_timeout=TIMEOUT_S,
            )
            self._client = functools.cache(
                lambda service: session.create_client(
                    service, region_name=self.region, endpoint_url=endpoint_url, config=config
                )
            )
            self.answering: str = self._client("iot").meta.endpoint_url
            """The control plane's URL; AWS_ENDPOINT_URL counts, too."""
        self.is_here = place(host_of(self.answering)) is Place.LOOPBACK
        self.endpoint_url = endpoint_url
        self._pace = pace
        self.throttled = 0
        """Calls that were thrown back and asked again."""

    def call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """Call an operation until it is answered.

        Raises:
            AwsRefused: it was refused, for a reason of its own.
            NoReply: it may have been done; nobody answered.
            UsageError: the credentials are refused, or may not do it.
            TargetError: it was thrown back every time, or the endpoint is not there.
        """
        from botocore import xform_name

        client = self._client("sts" if operation == "GetCallerIdentity" else "iot")
        pause = FIRST_PAUSE_S
        for tries in range(1, TRIES + 1):
            self._pace.wait(operation)
            try:
                with understood(operation):
                    answer: dict[str, Any] = getattr(client, xform_name(operation))(**parameters)
                    return answer
            except AwsRefused as error:
                if error.code not in THROWN_BACK:
                    raise
                if tries == TRIES:
                    raise TargetError(
                        f"{operation} was thrown back {TRIES} times: {error}"
                    ) from None
            self.throttled += 1
            self._pace.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)
        raise AssertionError("every try returns or raises")

    def surely(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """Call an operation that may be done twice with no harm, also where no answer came.

        Raises:
            TargetError: no answer came, however often it was asked.
        """
        pause = FIRST_PAUSE_S
        for _ in range(TRIES - 1):
            try:
                return self.call(operation, **parameters)
            except NoReply:
                self._pace.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_S)
        try:
            return self.call(operation, **parameters)
        except NoReply as error:
            raise TargetError(str(error)) from None

    def pages(self, operation: str, member: str, token: str, **parameters: Any) -> Iterator[Any]:
        """All that a listing lists; ``token`` is what its requests call where to go on."""
        answered = token if token == "nextToken" else "nextMarker"
        more: dict[str, Any] = {}
        while True:
            answer = self.surely(operation, **parameters, **more)
            yield from answer.get(member, ())
            if not answer.get(answered):
                return
            more = {token: answer[answered]}

    def pause(self, seconds: float) -> None:
        """Wait for what AWS does behind its answer: detaching takes seconds to be seen."""
        self._pace.sleep(seconds)

    def account_id(self) -> str:
        """Whose credentials these are, as STS says."""
        return str(self.surely("GetCallerIdentity")["Account"])


NO_CREDENTIALS: Final = (
    "no AWS credentials are found; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY, or run `aws configure`"
)


def discover(region: str | None, profile: str | None, endpoint_url: str | None = None) -> str:
    """The host of an account's data endpoint with AWS's own certificate (``iot:Data-ATS``).

    Raises:
        UsageError, TargetError, AwsRefused: as ``Account`` and ``Account.call`` do.
    """
    account = Account(region, profile, endpoint_url, Pace(10.0))
    return str(account.surely("DescribeEndpoint", endpointType="iot:Data-ATS")["endpointAddress"])


def account_id(region: str | None, profile: str | None, endpoint_url: str | None = None) -> str:
    """Whose credentials are found here, as STS says; what ``interlock.admit`` asks."""
    return Account(region, profile, endpoint_url, Pace(10.0)).account_id()


def _checked(session: Any, region: str | None, endpoint_url: str | None) -> str:
    if region is None:
        raise UsageError("no region is given; write --region, or set AWS_REGION")
    known = [
        name
        for partition in session.get_available_partitions()
        for name in session.get_available_regions("iot", partition)
    ]
    if endpoint_url is None and region not in known:
        close = difflib.get_close_matches(region, known, 1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise UsageError(f"--region {region!r}: AWS IoT is in no such region{hint}")
    return region


@contextlib.contextmanager
def understood(operation: str) -> Iterator[None]:
    """Translate botocore's errors into ours."""
    from botocore import exceptions
    from botocore.parsers import ResponseParserError

    try:
        yield
    except exceptions.ClientError as error:
        raise _refusal(operation, error.response) from None
    except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError):
        raise UsageError(NO_CREDENTIALS) from None
    except (
        exceptions.EndpointConnectionError,
        exceptions.ConnectTimeoutError,
        exceptions.SSLError,
        exceptions.ProxyConnectionError,
    ) as error:
        raise TargetError(f"{operation}: {error}") from None
    except (exceptions.HTTPClientError, ResponseParserError) as error:
        raise NoReply(f"{operation}: no answer that can be read came: {error}") from None
    except exceptions.BotoCoreError as error:
        raise UsageError(f"{operation}: {error}") from None
    except ValueError as error:  # an endpoint URL that is none
        raise UsageError(f"{operation}: {error}") from None


def _refusal(operation: str, response: dict[str, Any]) -> Exception:
    told = response.get("Error", {})
    code, message = str(told.get("Code", "Unknown")), str(told.get("Message", ""))
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in REFUSED_CREDENTIALS:
        return UsageError(f"{operation}: AWS refuses these credentials ({code}: {message})")
    if code in NOT_ALLOWED:
        return UsageError(
            f"{operation}: these credentials may not do it ({code}: {message}); "
            "docs/provisioning.md lists the permissions that are needed"
        )
    if status >= 500 and code not in THROWN_BACK:
        return NoReply(f"{operation}: {status} {code}: {message}")
    return AwsRefused(code, message)
