"""Schedules: studies that are sent by the clock."""

from collections.abc import Mapping
from typing import Any

from service.client.results import Split
from service.client.transport import Transport
from service.schedules.schemas import FiringAnswer, ScheduleAnswer, TrendAnswer


class Schedules(Transport):
    """Having studies sent by the clock."""

    def create_schedule(
        self,
        name: str,
        cron: str,
        study: Mapping[str, Any],
        *,
        timezone: str = "UTC",
        enabled: bool = True,
    ) -> ScheduleAnswer:
        """Have a study sent again and again.

        Args:
            name: For people.
            cron: Minute, hour, day of the month, month and day of the week: ``30 2 * * *``.
            study: What to send.
            timezone: Of the times, for instance ``Europe/Berlin``.
            enabled: Whether it fires.
        """
        body = {
            "name": name,
            "cron": cron,
            "timezone": timezone,
            "study": dict(study),
            "enabled": enabled,
        }
        return self._read(ScheduleAnswer, "POST /schedules", json=body)

    def schedules(self) -> list[ScheduleAnswer]:
        """Return the schedules, oldest first."""
        return self._list(ScheduleAnswer, "GET /schedules")

    def schedule(self, schedule_id: str) -> ScheduleAnswer:
        """Return a schedule and when it fires next."""
        return self._read(ScheduleAnswer, "GET /schedules/{schedule_id}", schedule_id=schedule_id)

    def change_schedule(self, schedule_id: str, **changes: Any) -> ScheduleAnswer:
        """Change a schedule: `name`, `cron`, `timezone`, `study` or `enabled`; the rest stays."""
        return self._read(
            ScheduleAnswer,
            "PATCH /schedules/{schedule_id}",
            schedule_id=schedule_id,
            json=changes,
        )

    def delete_schedule(self, schedule_id: str) -> None:
        """Delete a schedule and the record of its firings. The studies it sent stay."""
        self._ask("DELETE /schedules/{schedule_id}", schedule_id=schedule_id, deletes=True)

    def run_schedule(self, schedule_id: str) -> FiringAnswer:
        """Send a schedule's study now. The clock's next firing stays as it is."""
        return self._read(
            FiringAnswer, "POST /schedules/{schedule_id}/run", schedule_id=schedule_id
        )

    def firings(self, schedule_id: str, *, limit: int | None = None) -> list[FiringAnswer]:
        """Return a schedule's last firings, newest first."""
        return self._list(
            FiringAnswer,
            "GET /schedules/{schedule_id}/firings",
            query={"limit": limit},
            schedule_id=schedule_id,
        )

    def trend(
        self, schedule_id: str, *, split: Split | None = None, limit: int | None = None
    ) -> list[TrendAnswer]:
        """Return what came of the last studies that a schedule sent and that are done.

        Args:
            schedule_id: The schedule.
            split: Which data the scores come from.
            limit: How many studies, at most.

        Returns:
            Oldest first: each optimizer's best score, and whether it came out worse than before.
        """
        return self._list(
            TrendAnswer,
            "GET /schedules/{schedule_id}/trend",
            query={"split": split, "limit": limit},
            schedule_id=schedule_id,
        )
