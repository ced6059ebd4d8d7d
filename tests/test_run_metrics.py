"""What Prometheus scrapes of runs and services, and the dashboard that is made of it."""

import asyncio
import json
import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from simulator import results
from simulator.endpoints.metrics import Metrics
from simulator.host import Host
from simulator.jobs.messages import CreateJobRequest
from simulator.run_metrics import BOUNDS_S, LatencyBuckets, RunMetrics, Shown
from simulator.snapshots import Lag, Snapshot
from tests.jobs.small_service import service_with
from tests.processes import JOBFLEET, ROOT, SLOW, jobfleet, said

SNAPSHOT = Snapshot(
    wall_s=2.0, scenario_s=120.0, until_s=600.0, things=20, connected=19,
    executions={"IN_PROGRESS": 5, "SUCCEEDED": 3}, released=8, to_come=12, requests=60, updates=40,
    failures=4, no_reply=1, conflicts={"lost_reply": 2}, lag=Lag(12.5, 3.0, 0.4),
)  # fmt: skip


def _buckets() -> LatencyBuckets:
    rows = [
        (0, results.UPDATE, results.ACCEPTED, 0, 1, 0, 0, 0, 0.0, 1.0, 1.002),
        (0, results.UPDATE, results.VERSION_MISMATCH, 1, 1, 0, 0, 0, 2.0, 2.0, 2.2),
        (0, results.UPDATE, results.NO_REPLY, 0, 1, 0, 0, 0, 3.0, 3.0, 13.0),
    ]
    buckets = LatencyBuckets()
    buckets.take(np.array(rows, results.DTYPE))
    return buckets


def _samples(text: bytes) -> dict[str, list[Any]]:
    """Samples by name."""
    found: dict[str, list[Any]] = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample)
    return found


def _of_a_run() -> dict[str, list[Any]]:
    shown = Shown("timeouts", 7, "mqtt", SNAPSHOT, _buckets())
    return _samples(RunMetrics(lambda: shown).text()[1])


def _of_a_service() -> dict[str, list[Any]]:
    class Stage:
        def __init__(self) -> None:
            self.counts = {"outage": 3}

    loop = asyncio.new_event_loop()
    try:
        service = service_with(1)
        target = service.registry.group_arn("g")
        service.create_job("J", CreateJobRequest([target], "{}"), 0.0)
        service.expire(0.0, 10)
        host = Host(service, loop)
        host.stage = Stage()  # type: ignore[assignment]  # only its counts are read
        door = {("UpdateJobExecution", "accepted"): 5}
        return _samples(Metrics(host, {"mqtt": lambda: door}, {"mqtt": lambda: 2}).text()[1])
    finally:
        loop.close()


def test_a_snapshot_is_told_whole() -> None:
    found = _of_a_run()

    def value(name: str, **labels: str) -> float:
        (sample,) = [one for one in found[f"jobfleet_run_{name}"] if one.labels == labels]
        return float(sample.value)

    assert value("info", scenario="timeouts", seed="7", transport="mqtt") == 1
    assert (value("connected"), value("released"), value("to_come")) == (19, 8, 12)
    assert value("job_executions", status="IN_PROGRESS") == 5
    assert (value("requests_total"), value("updates_total")) == (60, 40)
    assert (value("failures_total"), value("no_reply_total")) == (4, 1)
    assert value("conflicts_total", cause="lost_reply") == 2
    assert value("conflicts_total", cause="service") == 0  # a rate needs the zero before the one
    assert (value("schedule_slip_seconds"), value("loop_lag_seconds")) == (0.0125, 0.003)
    assert value("cpu_ratio") == 0.4


def test_latencies_are_counted_from_sent_and_from_due() -> None:
    found = _of_a_run()

    def below(kind: str) -> list[float]:
        samples = found[f"jobfleet_run_{kind}_time_seconds_bucket"]
        assert {one.labels["operation"] for one in samples} == {"UpdateJobExecution"}
        return [one.value for one in samples]

    of = {bound: at for at, bound in enumerate(BOUNDS_S)}
    service, response = below("service"), below("response")
    assert (service[of[0.001]], service[of[0.0025]], service[of[0.25]]) == (0, 1, 2)
    assert (response[of[0.0025]], response[of[0.25]], response[of[2.5]]) == (0, 1, 2)
    assert service[-1] == response[-1] == 2  # what was never answered has no latency
    (total,) = found["jobfleet_run_response_time_seconds_sum"]
    assert total.value == pytest.approx(1.202)


def test_before_a_run_there_is_only_that() -> None:
    found = _samples(RunMetrics(lambda: None).text()[1])
    assert [(name, samples[0].value) for name, samples in found.items()] == [
        ("jobfleet_run_begun", 0)
    ]


def test_the_dashboard_asks_for_what_there_is() -> None:
    text = (ROOT / "docs" / "grafana" / "jobfleet.json").read_text(encoding="utf-8")
    dashboard = json.loads(text)
    there = _of_a_run() | _of_a_service()
    labels = {name: set().union(*(one.labels for one in many)) for name, many in there.items()}
    expressions = [
        target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())
    ]
    asked = set()
    for expression in expressions:
        # what promtool would say of it, as far as a regular expression can
        assert all(expression.count(a) == expression.count(b) for a, b in ("()", "[]", "{}"))
        assert not re.search(r",\s*[)}]|[(,]\s*[,+/*]|\brate\([^[]*\)", expression), expression
        bare = re.sub(r'"[^"]*"', '""', expression)
        functions = set(re.findall(r"(\w+) ?\(", re.sub(r"\bby \(\w+\)", "", bare)))
        assert functions <= {"sum", "rate", "histogram_quantile"}, expression
        for name, matchers in re.findall(r"(jobfleet_\w+)\{([^}]*)\}", bare):
            asked.add(name)
            assert name in there, f"{name} is in no /metrics"
            used = set(re.findall(r"(\w+)=~?\"\"", matchers.replace("!=", "=")))
            assert used - {"job"} <= labels[name], f"{name} has no {used}"
        for grouped in re.findall(r"\bby \((\w+)\)", bare):
            assert any(grouped in labels[name] for name in re.findall(r"jobfleet_\w+", bare))
    of_variables = re.findall(r"label_values\((\w+), job\)", text)
    assert set(of_variables) <= set(there)
    plain = {re.sub(r"_(bucket|sum|count)$", "", name) for name in there}
    shown = {re.sub(r"_bucket$", "", name) for name in asked} | set(of_variables)
    assert plain == shown, "a metric that no panel shows, or the other way round"


def test_the_page_names_every_metric() -> None:
    text = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(jobfleet_\w+)(?:\{[\w,]+\})?`", text))
    there = {re.sub(r"_(bucket|sum|count)$", "", name) for name in _of_a_run() | _of_a_service()}
    assert named == there


def test_a_port_that_cannot_be_had_is_told_before_the_run(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = jobfleet("run", "scenarios/smoke.yaml", "--metrics-port", "70000", "--out", out)
    assert done.returncode == 2
    assert "choose another port with --metrics-port" in done.stderr
    assert not out.exists()


@pytest.mark.slow
def test_a_live_run_is_scraped_while_it_goes_on(tmp_path: Path) -> None:
    scenario = tmp_path / "s.yaml"
    scenario.write_text(SLOW.replace("until: 2h", "until: 3h"))
    command = [*JOBFLEET, "run", str(scenario), "--metrics-port", "0", "--out", str(tmp_path / "o")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
                          cwd=ROOT) as process:  # fmt: skip
        try:
            assert process.stderr is not None
            line = said(process.stderr, "Metrics: ")[-1]
            said(process.stderr, "20/20 connected")
            with urlopen(line.removeprefix("Metrics: ").strip(), timeout=10) as answer:
                found = _samples(answer.read())
        finally:
            process.terminate()  # it drains, and ends
            assert process.stderr is not None
            process.stderr.read()
    assert found["jobfleet_run_connected"][0].value == 20
    assert found["jobfleet_run_requests_total"][0].value >= 20
    assert set(_of_a_run()) == set(found)
