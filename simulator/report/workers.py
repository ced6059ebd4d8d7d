"""What happened to the workers of a distributed run, as text."""

from typing import Any


def what_happened(workers: list[dict[str, Any]]) -> list[str]:
    """Lines of text about a distributed run's workers."""
    if not workers:
        return []
    things = " + ".join(f"{one['things']:,}" for one in workers)
    lines = [f"Workers: {len(workers)}; things begun by each: {things}"]
    survived = any(one["lost_at_s"] is None for one in workers)
    taken = "were taken up by others" if survived else "had nobody to take them up"
    for one in workers:
        if one["things"] and not one["met"]:
            why = f": {one['refusal']}" if one["refusal"] else ""
            lines.append(f"Worker {one['worker']}: none of its things was ever answered{why}")
        if one["lost_at_s"] is None:
            continue
        how = "left" if one["left"] else "was lost"
        missing = "nothing of its records is missing"
        if not one["told_all"]:
            missing = (
                f"what it did after {one['last_records_at_s']:.1f} s is missing in requests and "
                "latencies, not in executions"
            )
        lines.append(
            f"Worker {one['worker']} {how} at {one['lost_at_s']:.1f} s; "
            f"{one['things_passed_on']:,} things {taken}; {missing}"
        )
    return lines
