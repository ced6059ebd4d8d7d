"""When a job may roll out: start, end and maintenance windows as a function of time.

Rule 1: everything here is arithmetic on handed-in times; calendar times are Unix seconds in UTC,
        and a ``Timetable`` turns them into elapsed seconds by the epoch it was made with.
Rule 2: a job's phase at a time is ``Timetable.phase``; when it next changes is ``next_change``.

::

    WAITING → OPEN ⇄ CLOSED (between windows) → ENDED

Cron expressions have AWS's six fields (minutes, hours, day-of-month, month, day-of-week, year),
with ``, - * / ? L W #``. Source: DG:jobs-configurations-details, botocore ``iot``.
"""

import calendar
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import date
from typing import Final, Literal

from simulator.jobs.configuration import EndBehavior, SchedulingConfig

Phase = Literal["WAITING", "OPEN", "CLOSED", "ENDED"]

MINUTE: Final = 60
DAY: Final = 86_400
HALF_HOUR: Final = 30 * MINUTE
YEAR: Final = 365 * DAY
LISTED: Final = 7
"""So many coming windows DescribeJob shows."""

_TIME: Final = re.compile(r"(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2})")
_MONTHS: Final = {name.upper(): at for at, name in enumerate(calendar.month_abbr) if name}
_UNIX_DAY: Final = date(1970, 1, 1).toordinal()
_LAST_DAY: Final = date(2199, 12, 31).toordinal()
_DAYS: Final = {n: at for at, n in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), 1)}


def parse_time(name: str, text: str) -> float:
    """``YYYY-MM-DDThh:mm`` (UTC) as Unix seconds; raises ValueError."""
    match = _TIME.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        year, month, day, hour, minute = (int(part) for part in match.groups())
        if hour > 23 or minute > 59:
            raise ValueError
        days = date(year, month, day).toordinal() - _UNIX_DAY
        return float(days * DAY + (hour * 60 + minute) * MINUTE)
    except ValueError:
        raise ValueError(
            f"{name} {text!r} is no time; write YYYY-MM-DDThh:mm (UTC, without seconds)"
        ) from None


def show_time(unix: float) -> str:
    """Unix seconds as ``YYYY-MM-DDThh:mm``."""
    days, seconds = divmod(int(unix), DAY)
    day = date.fromordinal(_UNIX_DAY + days).isoformat()
    return f"{day}T{seconds // 3600:02d}:{seconds % 3600 // 60:02d}"


class Cron:
    """A cron expression: ``after(t)`` is its next minute."""

    def __init__(self, text: str) -> None:
        """Parse ``cron(…)``; raises ValueError with what is wrong."""
        match = re.fullmatch(r"\s*cron\(([^()]*)\)\s*", text)
        fields = match.group(1).upper().split() if match else []
        if len(fields) != 6:
            raise ValueError(
                f"{text!r} is no cron expression; write "
                "cron(minutes hours day-of-month month day-of-week year)"
            )
        if (fields[2] == "?") == (fields[4] == "?"):
            raise ValueError(f"{text!r}: one of day-of-month and day-of-week must be '?'")
        try:
            minutes = _numbers(fields[0], 0, 59)
            hours = _numbers(fields[1], 0, 23)
            self._months = frozenset(_numbers(fields[3], 1, 12, _MONTHS))
            self._years = frozenset(_numbers(fields[5], 1970, 2199))
            self._in_month = None if fields[2] == "?" else _days_of_month(fields[2])
            self._in_week = None if fields[4] == "?" else _days_of_week(fields[4])
        except ValueError as error:
            raise ValueError(f"{text!r}: {error}") from None
        self._times = [(hour * 60 + minute) * MINUTE for hour in hours for minute in minutes]

    def after(self, unix: float) -> float | None:
        """The first minute of the expression at ``unix`` or later, or None when there is no more.

        Years and months without a match are skipped whole, so that a far date costs little.
        """
        today, seconds = divmod(unix, DAY)
        first = date.fromordinal(min(_UNIX_DAY + int(today), _LAST_DAY))
        for day in self._days(first):
            midnight = float((day.toordinal() - _UNIX_DAY) * DAY)
            at = bisect_left(self._times, seconds) if day == first else 0
            if at < len(self._times):
                return midnight + self._times[at]
        return None

    def before(self, unix: float) -> float | None:
        """The last minute of the expression at ``unix`` or earlier, today or the day before."""
        today, seconds = divmod(unix, DAY)
        for days, until in ((today, seconds), (today - 1, DAY)):
            at = bisect_right(self._times, until)
            if at and self._falls_on(date.fromordinal(_UNIX_DAY + int(days))):
                return days * DAY + self._times[at - 1]
        return None

    def _days(self, first: date) -> Iterator[date]:
        """The days of the expression from ``first`` on."""
        for year in range(first.year, 2200):
            if year not in self._years:
                continue
            for month in range(1, 13):
                if month not in self._months or (year, month) < (first.year, first.month):
                    continue
                for number in range(1, calendar.monthrange(year, month)[1] + 1):
                    day = date(year, month, number)
                    if day >= first and self._falls_on(day):
                        yield day

    def _falls_on(self, day: date) -> bool:
        if day.year not in self._years or day.month not in self._months:
            return False
        return self._matches(day, calendar.monthrange(day.year, day.month)[1])

    def _matches(self, day: date, last: int) -> bool:
        if self._in_month is not None:
            return day.day in {_day_of_month(part, day, last) for part in self._in_month}
        assert self._in_week is not None  # one of the two is given
        weekday = day.isoweekday() % 7 + 1
        for number, which in self._in_week:
            if number == weekday and (
                which is None
                or (which == 0 and day.day + 7 > last)
                or (which > 0 and (day.day - 1) // 7 + 1 == which)
            ):
                return True
        return False


def _numbers(field: str, low: int, high: int, names: dict[str, int] | None = None) -> list[int]:
    """The numbers that a field stands for, in order."""
    found: set[int] = set()
    for part in field.split(","):
        span, slash, step = part.partition("/")
        first, dash, last = span.partition("-")
        if span == "*":
            start, stop = low, high
        else:
            start = _number(first, low, high, names)
            stop = _number(last, low, high, names) if dash else high if slash else start
        if start > stop:
            raise ValueError(f"{part!r} runs backwards")
        by = _number(step, 1, high) if slash else 1
        found.update(range(start, stop + 1, by))
    return sorted(found)


def _number(text: str, low: int, high: int, names: dict[str, int] | None = None) -> int:
    value = (names or {}).get(text)
    if value is None and text.isascii() and text.isdigit():
        value = int(text)
    if value is None or not low <= value <= high:
        raise ValueError(f"{text!r} is not between {low} and {high}")
    return value


def _days_of_month(field: str) -> tuple[str | int, ...]:
    """Day numbers, ``L`` (the last), ``LW`` (the last weekday), ``3W`` (the weekday nearest)."""
    if field in ("L", "LW"):
        return (field,)
    if field.endswith("W"):
        return (f"{_number(field[:-1], 1, 31)}W",)
    return tuple(_numbers(field, 1, 31))


def _days_of_week(field: str) -> tuple[tuple[int, int | None], ...]:
    """(weekday, which one of the month): None every, 0 the last, 1 to 5 the so-manieth."""
    if "#" in field:
        name, _, which = field.partition("#")
        return ((_number(name, 1, 7, _DAYS), _number(which, 1, 5)),)
    if field == "L":
        return ((7, None),)
    if field.endswith("L"):
        return ((_number(field[:-1], 1, 7, _DAYS), 0),)
    return tuple((number, None) for number in _numbers(field, 1, 7, _DAYS))


def _day_of_month(part: str | int, day: date, last: int) -> int:
    """The day number that one part of a day-of-month field means in the month of ``day``."""
    if isinstance(part, int):
        return part
    if part == "L":
        return last
    wanted = last if part == "LW" else min(int(part[:-1]), last)
    weekday = day.replace(day=wanted).isoweekday()
    if weekday == 6:
        return wanted - 1 if wanted > 1 else wanted + 2
    if weekday == 7:
        return wanted + 1 if wanted < last else wanted - 2
    return wanted


class Timetable:
    """One job's schedule in elapsed seconds."""

    def __init__(
        self, config: SchedulingConfig, continuous: bool, now: float, epoch: float
    ) -> None:
        """Check a schedule against the time at which its job is made; raises ValueError."""
        self._epoch = epoch
        unix = epoch + now
        start = end = None
        if config.start_time is not None:
            start = parse_time("startTime", config.start_time)
            _check_span("startTime", start - unix, YEAR, "from now")
        if config.end_time is not None:
            end = parse_time("endTime", config.end_time)
            _check_span("endTime", end - unix, 2 * YEAR, "from now")
            if start is not None:
                _check_span("endTime", end - start, 2 * YEAR, "after startTime")
        elif config.end_behavior is not None:
            raise ValueError("endBehavior needs an endTime")
        windows = config.maintenance_windows or ()
        if windows and not continuous:
            raise ValueError("maintenanceWindows are for CONTINUOUS jobs only")
        if windows and start is None:
            raise ValueError("maintenanceWindows need a startTime")
        self.start = now if start is None else start - epoch
        self.end = None if end is None else end - epoch
        self.end_behavior: EndBehavior = config.end_behavior or "STOP_ROLLOUT"
        self.windows = tuple((Cron(w.start_time), w.duration_in_minutes * MINUTE) for w in windows)

    def phase(self, now: float) -> Phase:
        """Where in its schedule the job is."""
        if self.end is not None and now >= self.end:
            return "ENDED"
        if now < self.start:
            return "WAITING"
        return "OPEN" if not self.windows or self._open_until(now) is not None else "CLOSED"

    def next_change(self, now: float) -> float | None:
        """When the phase next changes, or None when it will not."""
        if self.end is not None and now >= self.end:
            return None
        if now < self.start:
            return self.start
        change = self.end
        if self.windows:
            until = self._open_until(now)
            when = self._next_opening(now) if until is None else until
            if when is not None and (change is None or when < change):
                change = when
        return change

    def coming(self, now: float) -> list[str]:
        """The next seven window openings as AWS prints them."""
        found: list[float] = []
        when = self._next_opening(max(now, self.start))
        while when is not None and len(found) < LISTED and (self.end is None or when < self.end):
            found.append(when)
            when = self._next_opening(when + MINUTE)
        return [show_time(self._epoch + when) for when in found]

    def _next_opening(self, now: float) -> float | None:
        nexts = [cron.after(self._epoch + now) for cron, _ in self.windows]
        times = [at - self._epoch for at in nexts if at is not None]
        return min(times, default=None)

    def _open_until(self, now: float) -> float | None:
        """When the windows that are open at ``now`` close; None where none is open.

        A window is shorter than a day, so whatever is open began today or yesterday.
        """
        until: float | None = None
        for cron, seconds in self.windows:
            began = cron.before(self._epoch + now)
            if began is not None and began - self._epoch + seconds > (
                now if until is None else until
            ):
                until = began - self._epoch + seconds
        return until


def _check_span(name: str, seconds: float, longest: int, of: str) -> None:
    if not HALF_HOUR <= seconds <= longest:
        most = "one year" if longest == YEAR else "two years"
        raise ValueError(f"{name} must be 30 minutes to {most} {of}")
