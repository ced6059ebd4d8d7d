"""The fewest things, and the fewest faults, with which a failing scenario still fails the same way.

Rule 1: what fails stays the same: the same expectation, or the same kind of error.
Rule 2: parts are taken out one by one, in the file's order, until none can be spared; then the
        smallest fleet is looked for from 1 upwards. Nothing is left to chance: the same scenario
        and seed shrink to the same file.

A smaller fleet is no part of a larger one (its draws are others), so whether a fleet fails does not
follow from its size: halving finds a small one soon, and counting up proves the smallest.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from simulator.errors import JobfleetError, ScenarioError, UsageError
from simulator.run import Resolved, rehearse
from simulator.scenario import loads
from simulator.sweep.grid import Mapping, Source, read_source, write

COUNTED: Final = 200
"""Fleets that are tried from 1 upwards: beyond, a smaller one is not worth its time."""

MARK: Final = "(shrunk by jobfleet from"
"""Stands in the first line of what we write."""

Say = Callable[[str], None]

_LISTS: Final = (("batches",), ("service",), ("network", "partitions"), ("network", "storms"))
"""Lists of faults, which may be left out altogether."""

_OF_COHORT: Final = ("outcome", "presence", "network", "agent", "attributes", "time_zone")


@dataclass(frozen=True, slots=True)
class Shrunk:
    """A scenario that is left when nothing more can be spared."""

    text: str
    """The file, seed and all."""
    failure: str
    """What fails, in words."""
    things: int
    was: int
    removed: tuple[str, ...]
    """The parts that it fails without, by their paths."""
    rehearsals: int
    smallest: bool
    """Whether all smaller fleets were tried."""


@dataclass(frozen=True, slots=True)
class _Failure:
    """What fails: an expectation by name and text, or an error by its kind."""

    name: str
    text: str
    shown: str


def shrink(
    path: Path, seed: int | None = None, things: int | None = None, say: Say = lambda _: None
) -> Shrunk:
    """Shrink a scenario that fails.

    Raises:
        ScenarioError: the file is wrong.
        UsageError: it does not fail with this seed, so there is nothing to shrink.
    """
    source = read_source(path)
    resolved = Resolved.of(source.loaded, seed, things)
    shrinking = _Shrinking(source, _settled(source, resolved), say)
    failure = shrinking.failure
    again = True
    while again:
        while shrinking.halve() | shrinking.spare():
            pass
        smallest = shrinking.count_up()
        again = shrinking.spare()
    question = (
        f"# Question: why does this fail: {failure.shown}? {MARK} {Path(source.name).name})\n"
    )
    return Shrunk(
        text=question + write(shrinking.mapping),
        failure=failure.shown,
        things=shrinking.things,
        was=resolved.scenario.things,
        removed=tuple(shrinking.removed),
        rehearsals=shrinking.rehearsals,
        smallest=smallest,
    )


def _settled(source: Source, resolved: Resolved) -> Mapping:
    """The file's mapping with the seed and each cohort's number of things in it."""
    counts = {cohort.name: cohort.things for cohort in resolved.scenario.cohorts()}
    mapping = {"seed": resolved.seed, **copy.deepcopy(source.mapping)}
    mapping["seed"] = resolved.seed
    mapping.pop("things", None)
    fleet = [part for part in mapping["fleet"] if counts.get(part["cohort"])]
    for part in fleet:
        part.pop("weight", None)
        part["things"] = counts[part["cohort"]]
    mapping["fleet"] = fleet
    return mapping


class _Shrinking:
    """A mapping that fails, getting smaller."""

    def __init__(self, source: Source, mapping: Mapping, say: Say) -> None:
        self._source = source
        self._say = say
        self.rehearsals = 0
        self.removed: list[str] = []
        self.mapping = mapping
        found = self._failures(mapping)
        if not found:
            raise UsageError(
                f"{source.name} passes with seed {mapping['seed']} and {self.things:,} things, so "
                "there is nothing to shrink; give a --seed with which it fails"
            )
        self.failure = found[0]
        say(f"{self.things:,} things: {self.failure.shown}")
        expect = mapping.get("expect") or {}
        if self.failure.name in expect:  # what the others say has no effect on a run
            self.mapping = {**mapping, "expect": {self.failure.name: expect[self.failure.name]}}

    @property
    def things(self) -> int:
        """How many are left."""
        return sum(part["things"] for part in self.mapping["fleet"])

    def _failures(self, mapping: Mapping) -> list[_Failure]:
        """What fails; a mapping that is no scenario fails in no way."""
        try:
            loaded = loads(write(mapping), self._source.name, self._source.folder)
        except ScenarioError:
            return []
        self.rehearsals += 1
        try:
            summary = rehearse(Resolved.of(loaded, None, None)).summary
        except Exception as error:  # of ours, or a fault in the simulator: shrinking is for both
            kind = type(error).__name__
            first = str(error).partition("\n")[0]
            told = first if isinstance(error, JobfleetError) else f"{kind}: {first}"
            return [_Failure(kind, "", told)]
        return [
            _Failure(one.name, one.expected, f"{one.name} {one.expected}")
            for one in summary.verdict.expectations
            if not one.passed
        ]

    def _try(self, mapping: Mapping) -> bool:
        """Take a smaller mapping if it fails the same way."""
        same = (self.failure.name, self.failure.text)
        if all((one.name, one.text) != same for one in self._failures(mapping)):
            return False
        self.mapping = mapping
        return True

    # --------------------------------------------------------------------------- parts

    def spare(self) -> bool:
        """Take out every part that can be spared; whether there was one."""
        any_spared = False
        again = True
        while again:
            again = False
            for path in list(_parts(self.mapping)):
                smaller, name = _without(self.mapping, path)
                if self._try(smaller):
                    self.removed.append(name)
                    self._say(f"fails without {name}")
                    again = any_spared = True
                    break  # numbers in paths have moved
        return any_spared

    # --------------------------------------------------------------------------- things

    def halve(self) -> bool:
        """Halve the cohorts, all and then each, while it fails; whether it did."""
        before = self.things
        while self.things > len(self.mapping["fleet"]):
            if not self._try(_resized(self.mapping, lambda at, n: max(1, n // 2))):
                break
            self._say(f"{self.things:,} things: still fails")
        for which in range(len(self.mapping["fleet"])):
            low, high = 0, self.mapping["fleet"][which]["things"]
            while high - low > 1:  # by bisection, as if the larger one failed because it is larger
                middle = (low + high) // 2
                if self._try(_resized(self.mapping, _only(which, middle))):
                    high = middle
                else:
                    low = middle
        if self.things < before:
            self._say(f"{self.things:,} things: still fails")
        return self.things < before

    def count_up(self) -> bool:
        """For each cohort the smallest number that fails; whether none is left untried."""
        smallest = True
        for which in range(len(self.mapping["fleet"])):
            there = self.mapping["fleet"][which]["things"]
            for count in range(1, min(there, COUNTED + 1)):
                if self._try(_resized(self.mapping, _only(which, count))):
                    self._say(f"{self.things:,} things: still fails")
                    break
            else:
                smallest &= there <= COUNTED + 1
        return smallest


def _only(which: int, count: int) -> Callable[[int, int], int]:
    return lambda at, n: count if at == which else n


def _resized(mapping: Mapping, size: Callable[[int, int], int]) -> Mapping:
    fleet = [
        {**part, "things": size(at, part["things"])} for at, part in enumerate(mapping["fleet"])
    ]
    return {**mapping, "fleet": fleet}


Place = tuple[str | int, ...]


def _parts(mapping: Mapping) -> Iterator[Place]:
    """Paths of what may be left out, the largest first."""
    for name in ("fleet", "jobs"):
        entries = mapping.get(name) or ()
        if len(entries) > 1:
            yield from ((name, at) for at in range(len(entries)))
    for path in _LISTS:
        entries = _at(mapping, path)
        if isinstance(entries, list):
            yield from ((*path, at) for at in range(len(entries)))
    for at, cohort in enumerate(mapping["fleet"]):
        for key in _OF_COHORT:
            if key in cohort:
                yield ("fleet", at, key)
                if isinstance(cohort[key], dict) and key in ("outcome", "network", "agent"):
                    yield from (("fleet", at, key, inner) for inner in cohort[key])
    if mapping.get("network"):
        yield ("network",)
        yield from (("network", key) for key in mapping["network"])
    if "quotas" in mapping:
        yield ("quotas",)


def _at(mapping: Mapping, path: Place) -> Any:
    place: Any = mapping
    for step in path:
        place = place.get(step) if isinstance(place, dict) else None
    return place


def _without(mapping: Mapping, path: Place) -> tuple[Mapping, str]:
    """The mapping without one part, and the part's name for people."""
    smaller: Mapping = copy.deepcopy(mapping)
    place: Any = smaller
    name = ""
    for at, step in enumerate(path):
        last = at == len(path) - 1
        inner = place[step]
        if isinstance(step, int):
            called = inner.get("cohort") or inner.get("name") if isinstance(inner, dict) else None
            name += f"[{called or step}]"
        else:
            name += f".{step}" if name else step
        if last:
            del place[step]
            _prune(smaller, path[:-1])
        else:
            place = inner
    return smaller, name


def _prune(mapping: Mapping, path: Place) -> None:
    """Leave no empty mapping or list behind."""
    while path:
        place: Any = mapping
        for step in path[:-1]:
            place = place[step]
        if place[path[-1]]:
            return
        del place[path[-1]]
        path = path[:-1]


def check_out(path: Path) -> None:
    """Refuse to replace what we did not write.

    Raises:
        UsageError: something else stands there, or its folder does not.
    """
    try:
        if path.exists():
            with path.open(encoding="utf-8", errors="replace") as file:
                if MARK not in file.readline():
                    raise UsageError(
                        f"{path} exists and was not written by jobfleet shrink; give another --out"
                    )
        elif not path.parent.is_dir():
            raise UsageError(f"--out {path}: the folder {path.parent} does not exist")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None


def keep(shrunk: Shrunk, path: Path) -> None:
    """Write the file, all of it or nothing.

    Raises:
        UsageError: it cannot be written, or cannot be read from there, since it names files that
            stand beside the original.
    """
    try:
        loads(shrunk.text, str(path), path.parent)
    except ScenarioError as error:
        raise UsageError(f"{error}\nThe shrunk scenario cannot stand in {path.parent}") from None
    aside = path.with_name(f".{path.name}.aside")
    try:
        aside.write_text(shrunk.text, encoding="utf-8")
        aside.replace(path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
