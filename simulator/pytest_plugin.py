"""The pytest plugin: fixtures ``jobs_service`` and ``fleet``, for whoever tests a device agent.

It is loaded in every pytest session of whoever installed us: nothing is imported until a fixture is
used, and without one it costs a millisecond. See docs/pytest.md.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from simulator.background import LocalJobs
    from simulator.crowd import Crowd
    from simulator.service_thread import ServiceThread

MARKER = (
    "jobfleet(clock='stepped', dialect='aws', quotas='none', time_scale=1.0, epoch=…): "
    "how the jobs_service of a test is to be (docs/pytest.md of jobfleet)"
)


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", MARKER)


@pytest.fixture(scope="session")
def _jobfleet_thread() -> Iterator["ServiceThread"]:
    from simulator.service_thread import ServiceThread

    thread = ServiceThread()
    yield thread
    thread.close()


@pytest.fixture
def jobs_service(
    request: pytest.FixtureRequest, _jobfleet_thread: "ServiceThread"
) -> Iterator["LocalJobs"]:
    """A Jobs service as AWS's on free ports of the loopback, in a thread; a fresh one per test.

    Its time stands still until ``jobs_service.advance("10m")``.
    """
    from simulator.background import LocalJobs
    from simulator.errors import JobfleetError
    from simulator.local_settings import Settings

    said: dict[str, object] = {}
    for marker in reversed(list(request.node.iter_markers("jobfleet"))):
        if marker.args:
            pytest.fail("the jobfleet marker takes names: jobfleet(clock='wall')", pytrace=False)
        said |= marker.kwargs
    try:
        settings = Settings.of(said)
    except JobfleetError as error:
        pytest.fail(str(error), pytrace=False)
    service = LocalJobs(_jobfleet_thread, settings)
    try:
        yield service
    finally:
        try:
            service.close()
        except JobfleetError as error:
            pytest.fail(str(error), pytrace=False)


@pytest.fixture
def fleet(jobs_service: "LocalJobs") -> Iterator["Crowd"]:
    """Other things at the same service, second writers, and rehearsals of whole scenarios."""
    from simulator.crowd import Crowd

    crowd = Crowd(jobs_service)
    try:
        yield crowd
    finally:
        crowd.close()
