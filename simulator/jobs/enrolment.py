"""Who belongs where while jobs are going on: what a registry change means for them.

Rule 1: a thing that becomes a target of a continuous job gets an execution at once; one that stops
        being a target loses what is QUEUED (REMOVED), whatever it has started goes on.
Rule 2: what counts is whether a thing is a target, not by which group: joining a second target
        group means nothing.
Rule 3: deleting a thing removes what is QUEUED for it, of every job (docs/fidelity.md).
"""

from simulator.errors import InvalidRequest
from simulator.jobs.lifecycle import GOING_ON, Lifecycle
from simulator.jobs.model import Job


class Enrolment(Lifecycle):
    """Registry operations that jobs notice."""

    def follow(self, job: Job, targets: list[str]) -> None:
        """Remember which groups a continuous job watches."""
        for arn in targets:
            kind, name = self.registry.target(arn)
            if kind == "thinggroup":
                self.followers.setdefault(name, {})[job.job_id] = job

    def add_thing_to_thing_group(self, thing: str, group: str, now: float) -> None:
        """Let a thing join a group."""
        before = self.registry.reached(thing)
        self.registry.add_thing_to_thing_group(thing, group)
        gained = [g for g in self.registry.reached(thing) if g not in before]
        for job in self._concerned(gained):
            if not self._was_target(job, thing, before):
                self.join(job, thing, now)

    def remove_thing_from_thing_group(self, thing: str, group: str, now: float) -> None:
        """Let a thing leave a group."""
        before = self.registry.reached(thing)
        self.registry.remove_thing_from_thing_group(thing, group)
        after = self.registry.reached(thing)
        for job in self._concerned([g for g in before if g not in after]):
            latest = job.latest.get(thing)
            if latest is not None and not self.registry.is_target(thing, job.targets):
                self.remove(latest, now)

    def update_thing_groups_for_thing(
        self, thing: str, add: list[str], remove: list[str], now: float
    ) -> None:
        """Let a thing join and leave several groups; all of them exist, or nothing changes."""
        self.registry.thing(thing)
        for name in (*add, *remove):
            self.registry.group(name)
        both = [name for name in add if name in remove]
        if both:
            raise InvalidRequest(f"Thing group {both[0]} is to be added and removed")
        for name in remove:
            self.remove_thing_from_thing_group(thing, name, now)
        for name in add:
            self.add_thing_to_thing_group(thing, name, now)

    def delete_thing(self, thing: str, expected_version: int | None, now: float) -> None:
        """Forget a thing; what it has in progress goes on until it ends."""
        self.registry.delete_thing(thing, expected_version)
        waiting = [e for e in self.history(thing) if e.status == "QUEUED"]
        for execution in waiting:
            self.remove(execution, now)

    def delete_thing_group(self, group: str, expected_version: int | None, now: float) -> None:
        """Forget a group; continuous jobs let go of its things, in slices."""
        there = self.registry.groups.get(group)
        self.registry.delete_thing_group(group, expected_version)
        if there is not None:
            above = [g.name for g in there.lineage()]
            for job in self._concerned(above):
                self.sweep(job, "PRUNE", now)
            self.followers.pop(group, None)

    def _concerned(self, groups: list[str]) -> list[Job]:
        """The continuous jobs going on that watch one of these groups, each once."""
        found: dict[str, Job] = {}
        for name in groups:
            followers = self.followers.get(name, {})
            for job in list(followers.values()):
                if job.status in GOING_ON:
                    found[job.job_id] = job
                else:
                    del followers[job.job_id]
        return list(found.values())

    def _was_target(self, job: Job, thing: str, groups: dict[str, None]) -> bool:
        registry = self.registry
        return registry.thing_arn(thing) in job.targets or any(
            registry.group_arn(name) in job.targets for name in groups
        )
