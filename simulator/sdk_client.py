"""Clients of the AWS SDK for a service of ours; the machine's own AWS configuration is not read."""

import os
from typing import Any, Final

from simulator.errors import UsageError

REGION: Final = "us-east-1"
CLIENTS: Final = ("iot", "iot-jobs-data")


def sdk_client(service_name: str, endpoint_url: str) -> Any:
    """A client as ``boto3.client(service_name, endpoint_url=…)`` makes it.

    Raises:
        UsageError: there is no such service here.
    """
    if service_name not in CLIENTS:
        raise UsageError(f"client {service_name!r}: allowed are {' and '.join(CLIENTS)}")
    return _session().create_client(service_name, endpoint_url=endpoint_url, config=_config())


_SESSIONS: Final[list[Any]] = []
"""The one AWS SDK session of this process: to read its models takes longer than any test."""


def _session() -> Any:
    if not _SESSIONS:
        import botocore.session

        session = botocore.session.Session(
            session_vars={
                "profile": (None, None, None, None),
                "config_file": (None, None, os.devnull, None),
                "credentials_file": (None, None, os.devnull, None),
                "region": (None, None, REGION, None),
                "ignore_configured_endpoint_urls": (None, None, True, None),
            }
        )
        session.set_credentials("jobfleet", "jobfleet")
        _SESSIONS.append(session)
    return _SESSIONS[0]


def _config() -> Any:
    from botocore.config import Config

    # What a test lets befall a request is not to be mended behind its back.
    return Config(
        retries={"total_max_attempts": 1},
        connect_timeout=5,
        read_timeout=5,
        proxies={},
        inject_host_prefix=False,
    )
