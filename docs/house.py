"""The house, drawn from what the modules really import: rooms, their storeys, what they rest on.

Rule 1: a package is a room; modules that stand alone share rooms, as ``SHARED`` says.
Rule 2: a room stands one storey above the highest of the rooms that it imports from.
Rule 3: it *rests on* those that it does not reach through another one.
"""

import graphlib
from fnmatch import fnmatchcase
from functools import cache
from typing import Final

from tests.test_architecture import EMPTY, FLOORS, imports, modules

WIDTH: Final = 76

ROOMS: Final = {
    "errors": "what can go wrong, in words",
    "jobs": "the Jobs service as a pure state machine",
    "mqtt": "MQTT packets and a broker, without IO",
    "clock": "the virtual loop; calendar, collector and machine",
    "behaviour": "cohorts and chance, drawn ahead",
    "records": "what is measured, and what a summary holds",
    "connections": "one client connection; targets, certificates, limits",
    "host": "the one owner of a service, and what befalls it",
    "scenario": "the YAML file",
    "things": "virtual things: life, work, conflicts",
    "endpoints": "the service's side of the network",
    "transports": "the things' side of the network",
    "report": "records to numbers to text; the run directory",
    "run": "where everything meets",
    "fit": "a scenario from what a fleet did",
    "studies": "explain, sweep, shrink",
    "compare": "two runs beside each other",
    "serve": "the service on real ports; trials of other agents",
    "live": "the fleet on real sockets, Locust measuring",
    "provisioning": "a fleet in an AWS account",
    "testing": "a service in a test, whose time the test moves",
    "aws_cli": "the AWS CLI's own commands",
    "cli": "the command line",
}
"""What is behind each door. A new package needs a line here."""

SHARED: Final = {
    "errors": "errors refusals exit_codes terminal",
    "clock": "errand live_errand timers clock garbage today machine",
    "records": "results executions snapshots expectations report.summary generator run_metrics",
    "connections": "allotment awaited open_files tcp_stream poller interlock certificates "
    "mqtt_client websocket_client targets owner endpoints.websocket",
    "host": "host director sample",
    "endpoints": "ports",
    "things": "world assignment attribution caller worker thing finders attendance fleet pacing",
    "report": "progress run_directory finished_run export tables table_files",
    "run": "run campaign standstill resolved",
    "studies": "explain sweep shrink gate",
    "cli": "starters",
    "testing": "local_settings sightings stepped_clock service_thread sdk_client background crowd "
    "pytest_plugin",
    "serve": "watching playbook serve trial trying embedded",
    "live": "live live_* locust_* contention stage rollout_view aws_target",
}
"""Modules that live together without being a package; with ``*``, all that are called so."""


def room_of(module: str) -> str:
    """The room that a module is in.

    Raises:
        LookupError: in none; the message says where to name it.
    """
    package = module.split(".")[0]
    for name in (module, package):
        for room, living in SHARED.items():
            if any(fnmatchcase(name, pattern) for pattern in living.split()):
                return room
    if package not in ROOMS:
        raise LookupError(f"{module} is in no room: name it in SHARED or ROOMS of docs/house.py")
    return package


@cache
def beneath() -> dict[str, frozenset[str]]:
    """The rooms that each room imports from.

    Raises:
        LookupError: a module is in no room, or rooms import from each other in a circle.
    """
    known = {name for floor in FLOORS for name in floor}
    found: dict[str, set[str]] = {room: set() for room in ROOMS}
    for module, path in modules().items():
        if module in EMPTY:
            continue
        for name in imports(path.read_text(encoding="utf-8")):
            below = name.removeprefix("simulator.")
            if name.startswith("simulator.") and below in known:
                found[room_of(module)].add(room_of(below))
    for room, others in found.items():
        others.discard(room)
    try:
        graphlib.TopologicalSorter(found).prepare()
    except graphlib.CycleError as error:
        circle = " → ".join(error.args[1])
        raise LookupError(f"rooms rest on each other: {circle}; move a module's name") from None
    return {room: frozenset(others) for room, others in found.items()}


@cache
def reach(room: str) -> frozenset[str]:
    """Every room beneath a room."""
    return frozenset().union(*({other} | reach(other) for other in beneath()[room]))


@cache
def storey(room: str) -> int:
    """How high a room stands; the ground is 0."""
    return max((storey(other) + 1 for other in beneath()[room]), default=0)


def rests_on(room: str) -> list[str]:
    """The rooms that it imports from and does not reach through another of them."""
    through = frozenset().union(*(reach(other) for other in beneath()[room]))
    return [other for other in ROOMS if other in beneath()[room] - through]


def storeys() -> list[list[str]]:
    """The rooms of each storey, from the ground up."""
    top = max(map(storey, ROOMS))
    return [[room for room in ROOMS if storey(room) == height] for height in range(top + 1)]


def small() -> str:
    """The house from the front."""
    lines: list[str] = []
    above: set[int] = set()
    for rooms in reversed(storeys()):
        edges = [WIDTH * at // len(rooms) for at in range(len(rooms) + 1)]
        cells = zip(rooms, edges, edges[1:], strict=False)
        inside = "│".join(
            room.center(end - begin - (end < WIDTH)).ljust(end - begin - (end < WIDTH))
            for room, begin, end in cells
        )
        walls = {edge - 1 for edge in edges[1:-1]}
        lines += [_ceiling(above, walls, "├┤" if lines else "┌┐"), f"│{inside}│"]
        above = walls
    return "\n".join(["```text", *lines, _ceiling(above, set(), "└┘"), "```", ""])


def _ceiling(above: set[int], below: set[int], ends: str) -> str:
    signs = {(True, True): "┼", (True, False): "┴", (False, True): "┬", (False, False): "─"}
    inner = "".join(signs[at in above, at in below] for at in range(WIDTH))
    return f"{ends[0]}{inner}{ends[1]}"


def large() -> str:
    """Every room from the roof down: what it is, what is in it, what it rests on."""
    lines = ["| storey | room | what it is | rests on |", "|---|---|---|---|"]
    for height, rooms in reversed([*enumerate(storeys())]):
        for room in rooms:
            on = ", ".join(f"`{other}`" for other in rests_on(room)) or "the ground"
            lines.append(f"| {height} | `{room}` | {ROOMS[room]} | {on} |")
    alone: dict[str, list[str]] = {room: [] for room in SHARED}
    for module in modules():
        package = module.split(".")[0]
        room = room_of(module) if module not in EMPTY else package
        if room != package and ("." not in module or module in SHARED[room].split()):
            alone[room].append(module)
    shared = [
        f"- `{room}`: {', '.join(f'`{name}`' for name in living)}" for room, living in alone.items()
    ]
    return "\n".join([*lines, "", "Rooms that are no packages:", "", *shared, ""])


def picture() -> str:
    """Both, for the page about the design."""
    return f"{small()}\n{large()}"
