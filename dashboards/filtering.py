"""The filters of the list of studies, as its form sends them: pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

from fastapi import Query

from service.studies.model import StudyFilter, StudyOrder, StudyState

LINE = r"^[^\x00-\x1f\x7f]*$"
Line = Annotated[str, Query(max_length=200, pattern=LINE)]
Day = Annotated[str, Query(pattern=r"^([12]\d{3}-\d{2}-\d{2})?$")]


@dataclass(frozen=True)
class FilterForm:
    """What the form's fields hold; empty ones narrow nothing."""

    state: StudyState | None = None
    q: str = ""
    task: str = ""
    optimizer: str = ""
    owner: str = ""
    tag: str = ""
    """Several with blanks or commas in between: all of them."""
    since: date | None = None
    """First day, in UTC."""
    until: date | None = None
    """Last day."""
    order: StudyOrder = StudyOrder.NEWEST

    def parameters(self) -> Mapping[str, str]:
        """Return the query parameters that lead back here, without those that are empty."""
        fields = vars(self) | {"order": "" if self.order is StudyOrder.NEWEST else self.order}
        return {name: str(value) for name, value in fields.items() if value}

    @property
    def open(self) -> bool:
        """Whether a field of the form holds something; the states are links of their own."""
        return bool(self.parameters().keys() - {"state"})

    def filter(self) -> StudyFilter:
        """Return what to ask for."""
        return StudyFilter(
            states=(self.state,) if self.state else (),
            task=self.task or None,
            optimizer=self.optimizer or None,
            owner=self.owner or None,
            tags=tuple(self.tag.replace(",", " ").split()),
            text=self.q or None,
            created_after=_midnight(self.since) if self.since else None,
            created_before=_midnight(self.until + timedelta(days=1)) if self.until else None,
            order=self.order,
        )


def filter_form(
    state: StudyState | None = None,
    q: Line = "",
    task: Line = "",
    optimizer: Line = "",
    owner: Line = "",
    tag: Line = "",
    since: Day = "",
    until: Day = "",
    order: StudyOrder = StudyOrder.NEWEST,
) -> FilterForm:
    """Dependency: read the form. A day that there is not narrows nothing."""
    return FilterForm(
        state=state,
        q=q.strip(),
        task=task.strip(),
        optimizer=optimizer.strip(),
        owner=owner.strip(),
        tag=tag.strip(),
        since=_day(since),
        until=_day(until),
        order=order,
    )


def _day(value: str) -> date | None:
    try:
        return date.fromisoformat(value)
    except ValueError:
        return None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
