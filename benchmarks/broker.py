"""Updates per second through Mosquitto: ``python -m benchmarks.broker``, where it is installed.

Things, Mosquitto and the service share the machine; Locust measures, as in ``make bench``. With
Mosquitto's defaults no more than 20 requests are on their way to the service at once, and no more
than 1 000 wait, and Nagle's algorithm holds small packets back; "tuned" lifts all three.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from simulator import results
from simulator.ports import bind

SCENARIO = """\
fleet:
  - cohort: writers
    things: {things}
    work: {{duration: 0s, steps: 1000000000}}
job: {{document: {{operation: saturate}}}}
load: {{ramp: 1000/s, until: {seconds}s}}
"""
TUNED = "max_inflight_messages 0\nmax_queued_messages 0\nset_tcp_nodelay true\n"


def free_port() -> int:
    """A port that was free a moment ago."""
    with bind("127.0.0.1", 0, "--port") as taken:
        return int(taken.getsockname()[1])


def measure(things: int, seconds: int, config: str, version: str) -> dict[str, float]:
    """One run: accepted updates a second, and each process's share of a core."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        at = Path(folder)
        (at / "broker.conf").write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\nuser root\nlog_type none\n{config}"
        )
        (at / "scenario.yaml").write_text(SCENARIO.format(things=things, seconds=seconds))
        mosquitto = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin") or ""
        broker = subprocess.Popen([mosquitto, "-c", str(at / "broker.conf")])
        time.sleep(0.5)
        target = f"mqtt://127.0.0.1:{port}"
        jobfleet = [sys.executable, "-m", "simulator.cli"]
        http = free_port()
        service = subprocess.Popen(
            [*jobfleet, "serve", "--broker", target, "--http-port", str(http), "--json",
             "--broker-mqtt", version],
            stdout=subprocess.PIPE,
        )  # fmt: skip
        try:
            assert service.stdout is not None
            service.stdout.readline()
            processes = {
                "mosquitto": psutil.Process(broker.pid),
                "service": psutil.Process(service.pid),
            }
            before = {name: p.cpu_times() for name, p in processes.items()}
            subprocess.run(
                [*jobfleet, "run", str(at / "scenario.yaml"), "--target", target, "--control",
                 f"http://127.0.0.1:{http}", "--out", str(at / "run")],
                capture_output=True, check=False,
            )  # fmt: skip
            after = {name: p.cpu_times() for name, p in processes.items()}
        finally:
            for process in (service, broker):
                process.terminate()
                process.wait(10)
        records = np.load(at / "run" / "records.npz")["records"]
    return _folded(records, before, after)


def _folded(records: Any, before: dict[str, Any], after: dict[str, Any]) -> dict[str, float]:
    started = records[records["operation"] == results.START_NEXT]["done"].max()
    asked = records[records["operation"] == results.UPDATE]
    accepted = asked[asked["outcome"] == 0]
    within = accepted[accepted["done"] >= started]
    spent = {
        name: 1e6 * (sum(after[name][:2]) - sum(before[name][:2])) / len(accepted)
        for name in before
    }
    return {
        "things": len(np.unique(within["thing"])),
        "updates/s": len(within) / float(within["done"].max() - started),
        "unanswered": len(asked) - len(accepted),
        "p99 ms": float(np.quantile(within["done"] - within["sent"], 0.99)) * 1000,
        **{f"{name} us/update": us for name, us in spent.items()},
    }


if __name__ == "__main__":
    for things in (100, 1000):
        for config in ("", TUNED):
            for version in ("5", "3.1.1"):
                found = measure(things, 12, config, version)
                what = f"{things} things, {'tuned' if config else 'default'}, MQTT {version}"
                print(what, {name: round(value, 1) for name, value in found.items()}, flush=True)
