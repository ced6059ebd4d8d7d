"""Locust's tables say the same whether they are fed a drain at a time or a request at a time.

In a process of its own: whoever imports locust is patched.
"""

import json
import subprocess
import sys

import pytest

from tests.processes import ENV

SCRIPT = """
import json
from types import SimpleNamespace
import numpy as np
from locust.env import Environment
from locust.runners import LocalRunner
from simulator import locust_feed, results

def tables(feed):
    environment = Environment()
    environment.create_local_runner()
    rows = [
        (i, results.UPDATE if i % 3 else results.CONNECT, results.NO_REPLY if i % 7 == 0 else 0,
         0, 1, 0, 0, 0, 0.0, i * 0.001, i * 0.001 + (i % 40) ** 2.5 / 1000)
        for i in range(5_000)
    ]
    feed(environment, np.array(rows, results.DTYPE))
    stats = environment.stats
    entries = [stats.total, *(stats.entries[key] for key in sorted(stats.entries))]
    return {
        entry.name: [
            entry.method, entry.num_requests, entry.num_failures, round(entry.min_response_time, 6),
            round(entry.max_response_time, 6), round(entry.total_response_time, 3),
            sum(entry.num_reqs_per_sec.values()), sum(entry.num_fail_per_sec.values()),
            sorted(entry.response_times.items()), entry.get_response_time_percentile(0.99),
        ]
        for entry in entries
    } | {"errors": sorted((e.name, e.error, e.occurrences) for e in stats.errors.values())}

print(json.dumps([
    tables(lambda environment, records: locust_feed.feed(environment, records, 1_800_000_000.5)),
    tables(lambda environment, records: locust_feed._fire(environment, records, "MQTT")),
]))
"""


@pytest.mark.slow
def test_locust_is_told_the_same_by_the_drain_and_by_the_request() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, env=ENV
    )
    bulk, single = json.loads(done.stdout)
    assert bulk == single
    assert bulk["Aggregated"][1] == 5_000
    assert bulk["UpdateJobExecution"][2] == 475 + 1
