"""The botocore session behind a command: profile, region, credentials, retries, timeouts.

Rule 1: everything that botocore finds in files and environment counts (AWS_PROFILE,
        AWS_ENDPOINT_URL…), and the command line overrides it.
Rule 2: where version 2 of the AWS CLI has other defaults than botocore, they are version 2's:
        AWS_REGION comes before AWS_DEFAULT_REGION, retries are in the standard mode.
"""

import argparse
import logging
import os
import sys
from importlib.metadata import version
from typing import Any, Final
from urllib.parse import urlparse

import botocore.session
import jmespath
from botocore import UNSIGNED, xform_name
from botocore.config import Config
from botocore.configprovider import (
    ChainProvider,
    ConstantProvider,
    EnvironmentProvider,
    ScopedConfigProvider,
)
from botocore.exceptions import ProfileNotFound
from botocore.loaders import create_loader
from botocore.stub import Stubber

from simulator.errors import AwsCliError

SERVICE: Final = "iot-jobs-data"
OPERATIONS: Final = (
    "DescribeJobExecution",
    "GetPendingJobExecutions",
    "StartNextPendingJobExecution",
    "UpdateJobExecution",
)
RETRY_MODES: Final = ("standard", "adaptive")
"""Version 2's; botocore still has a third."""
DEFAULT_TIMEOUT_S: Final = 60
PAGER: Final = "less"
LOG_FORMAT: Final = "%(asctime)s - %(threadName)s - %(name)s - %(levelname)s - %(message)s"


def operations(session: Any) -> dict[str, Any]:
    """Each command → botocore's model of its operation."""
    model = session.get_service_model(SERVICE)
    return {xform_name(name, "-"): model.operation_model(name) for name in OPERATIONS}


def version_line() -> str:
    """What ``--version`` prints."""
    python = sys.version.split()[0]
    return f"jobfleet/{version('jobfleet')} Python/{python} botocore/{version('botocore')}"


class Caller:
    """A session as the global options want it."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Set it up.

        Raises:
            AwsCliError: an option or the configuration is wrong.
            ValueError: a timeout is no number.
        """
        if options.debug:
            log_to_stderr()
        self.query: Any = None
        if options.query is not None:
            try:
                self.query = jmespath.compile(options.query)
            except Exception as error:  # jmespath raises several kinds, ValueError among them
                raise AwsCliError(f"Bad value for --query {options.query}: {error}", 252) from None
        url = options.endpoint_url
        if url is not None and not urlparse(url).scheme:
            raise AwsCliError(
                f'Bad value for --endpoint-url "{url}": scheme is missing.  Must be of the form '
                "http://<hostname>/ or https://<hostname>/",
                252,
            )
        self._options = options
        self._timeouts = {
            name: _seconds(getattr(options, name)) for name in ("read_timeout", "connect_timeout")
        }
        self.session = botocore.session.Session()
        self.session.user_agent_name = "jobfleet"
        self.session.user_agent_version = version("jobfleet")
        # Ours, since the session's own asks the profile where models are: a skeleton needs none.
        loader = create_loader(os.environ.get("AWS_DATA_PATH"))
        self.session.register_component("data_loader", loader)
        if options.profile:
            self.session.set_config_variable("profile", options.profile)
        region = options.region or os.environ.get("AWS_REGION")
        if region:
            self.session.set_config_variable("region", region)
        self._set("retry_mode", "AWS_RETRY_MODE", "retry_mode", default="standard")
        self._set("output", "AWS_DEFAULT_OUTPUT", "output", default="json")
        self._check_timestamp_format()

    def _set(self, name: str, variable: str, setting: str, default: str | None) -> None:
        """Where a configuration value comes from: environment, then profile, then a default."""
        providers = [
            EnvironmentProvider(variable, os.environ),
            ScopedConfigProvider(setting, self.session),
            ConstantProvider(default),
        ]
        self.session.get_component("config_store").set_config_provider(
            name, ChainProvider(providers)
        )

    def _scoped(self) -> dict[str, Any]:
        try:
            scoped: dict[str, Any] = self.session.get_scoped_config()
        except ProfileNotFound:
            return {}  # told when it is needed; a skeleton does without
        return scoped

    def _check_timestamp_format(self) -> None:
        wanted = self._scoped().get("cli_timestamp_format", "iso8601")
        if wanted not in ("wire", "iso8601"):
            raise AwsCliError(
                f'Unknown cli_timestamp_format value: {wanted}, valid values are "wire" or '
                '"iso8601"',
                253,
            )

    @property
    def output(self) -> str:
        """The format to print in."""
        return str(self._options.output or self.session.get_config_variable("output"))

    @property
    def pager(self) -> str | None:
        """What to print through on a terminal, if anything."""
        if self._options.no_cli_pager:
            return None
        for value in (os.environ.get("AWS_PAGER"), self._scoped().get("cli_pager")):
            if value is not None:
                return str(value)
        return os.environ.get("PAGER", PAGER)

    def call(self, operation: Any, parameters: dict[str, Any]) -> dict[str, Any]:
        """Send the request; return the reply."""
        return _call(self._client(), operation, parameters)

    def check(
        self, operation: Any, parameters: dict[str, Any], reply: dict[str, Any]
    ) -> dict[str, Any]:
        """Check the request as a call would, send nothing, return ``reply`` once it is checked."""
        client = self._client()
        with Stubber(client) as stubber:
            stubber.add_response(xform_name(operation.name), reply)
            return _call(client, operation, parameters)

    def _client(self) -> Any:
        options = self._options
        mode = self.session.get_config_variable("retry_mode")
        if mode not in RETRY_MODES:
            raise ValueError(
                f'Invalid value provided to "mode": "{mode}" must be one of: '
                '"standard" or "adaptive"'
            )
        signature = {} if options.sign_request else {"signature_version": UNSIGNED}
        return self.session.create_client(
            SERVICE,
            region_name=options.region,
            endpoint_url=options.endpoint_url,
            verify=options.ca_bundle if options.verify_ssl else False,
            config=Config(**self._timeouts, **signature),
        )


def _call(client: Any, operation: Any, parameters: dict[str, Any]) -> dict[str, Any]:
    reply: dict[str, Any] = getattr(client, xform_name(operation.name))(**parameters)
    reply.pop("ResponseMetadata", None)
    return reply


def _seconds(text: str | None) -> int | None:
    """A timeout; 0 means none."""
    return (DEFAULT_TIMEOUT_S if text is None else int(text)) or None


def log_to_stderr() -> None:
    """``--debug``: what botocore does, step by step."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(LOG_FORMAT))
    for name in ("botocore", "simulator", "urllib3"):
        logging.getLogger(name).setLevel(logging.DEBUG)
        logging.getLogger(name).addHandler(handler)
