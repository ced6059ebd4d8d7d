"""HDR histograms of records: three digits, nothing lost in the log, sums of parts are the whole."""

from pathlib import Path
from typing import Any

import numpy as np
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from simulator import results
from simulator.report.latencies import DIGITS, LONGEST_US, as_log, as_table, histograms


def _records(count: int, seed: int) -> Any:
    chance = np.random.default_rng(seed)
    found = np.zeros(count, results.DTYPE)
    found["operation"] = results.UPDATE
    found["sent"] = np.arange(count) / 1000
    found["due"] = found["sent"] - 0.5  # half a second late, each of them
    found["done"] = found["sent"] + chance.lognormal(-6, 2, count)
    found["outcome"][::10] = results.NO_REPLY
    return found


def test_quantiles_have_three_digits_and_lateness_shows_in_response_time_only() -> None:
    records = _records(20_000, 1)
    found = histograms(records)
    answered = records[records["outcome"] == results.ACCEPTED]
    for kind, since in (("service", "sent"), ("response", "due")):
        histogram = found[f"UpdateJobExecution.{kind}"]
        exact = np.sort(answered["done"] - answered[since]) * 1e6
        assert histogram.get_total_count() == len(answered)
        for percentile in (50, 90, 99, 99.9, 100):
            at = int(percentile / 100 * len(exact) + 0.5) - 1
            value = histogram.get_value_at_percentile(percentile)
            assert abs(value - exact[at]) <= max(1, exact[at] / 1000)
    (line,) = list(as_table(found))[1:]
    service, response = float(line.split()[1]), float(line.split()[5])
    assert response > 500 > service


def test_the_log_reads_back_and_parts_add_up_to_the_whole(tmp_path: Path) -> None:
    records = _records(5_000, 2)
    whole = histograms(records)
    (tmp_path / "l.hlog").write_bytes(as_log(whole, 5.0))
    for half in (records[:1_700], records[1_700:]):
        (tmp_path / f"{len(half)}.hlog").write_bytes(as_log(histograms(half), 5.0))
    both = HdrHistogram(1, LONGEST_US, DIGITS)
    for name in ("1700.hlog", "3300.hlog"):
        both.add(_read(tmp_path / name)[0])
    (service, response) = _read(tmp_path / "l.hlog")
    assert list(service.counts) == list(both.counts)
    assert list(service.counts) == list(whole["UpdateJobExecution.service"].counts)
    assert response.get_total_count() == 4_500


def _read(path: Path) -> list[Any]:
    reader = HistogramLogReader(str(path), HdrHistogram(1, LONGEST_US, DIGITS))
    found = list(iter(reader.get_next_interval_histogram, None))
    reader.close()
    return found
