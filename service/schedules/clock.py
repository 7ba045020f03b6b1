"""Cron arithmetic: pure, daylight saving time included."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from service.errors import InvalidRequestError

FIELDS = 5


def check(cron: str, timezone: str) -> None:
    """Refuse a cron expression or time zone that means nothing.

    Raises:
        InvalidRequestError: Malformed, or a date that never comes (30 February).
    """
    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidRequestError(
            f"{timezone!r} is not a time zone; use a name like 'Europe/Berlin' or 'UTC'",
            field="timezone",
        ) from error
    try:
        if len(cron.split()) != FIELDS:  # a sixth would be seconds
            raise CronSimError("Wrong number of fields")
        next(CronSim(cron, datetime.now(zone)))
    except CronSimError as error:
        raise InvalidRequestError(
            f"{cron!r} is not a cron expression ({error}); five fields are wanted: minute hour "
            "day-of-month month day-of-week, for instance '30 2 * * *' for half past two at night",
            field="cron",
        ) from error
    except StopIteration as error:
        raise InvalidRequestError(
            f"{cron!r} never comes: no such date within 50 years", field="cron"
        ) from error


def next_after(cron: str, timezone: str, moment: datetime) -> datetime:
    """Return the first time strictly after `moment` that the expression names, in UTC.

    Across a change of the clocks, times that are skipped come right after it, and times that are
    repeated come once (Debian's cron does so).
    """
    # Asked in an hour's repetition, CronSim begins with times of the first one, which are over.
    times = CronSim(cron, moment.astimezone(ZoneInfo(timezone)))
    return next(at for at in (one.astimezone(UTC) for one in times) if at > moment)
