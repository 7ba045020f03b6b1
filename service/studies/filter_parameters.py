"""Parameters of an address that say which studies are wanted."""

from typing import Annotated

from fastapi import Query

from service.studies.fields import TAG, Moment
from service.studies.model import StudyFilter, StudyOrder, StudyState

WORD = r"^[^\x00-\x1f\x7f]+$"
LONGEST_NAME = 100

States = Annotated[
    list[StudyState] | None,
    Query(max_length=len(StudyState), description="Only those in one of these states."),
]
TaskName = Annotated[
    str | None,
    Query(max_length=LONGEST_NAME, pattern=WORD, description="Only those of this task."),
]
OptimizerName = Annotated[
    str | None,
    Query(
        max_length=LONGEST_NAME,
        pattern=WORD,
        description="Only those with this optimizer: a name of the catalogue, or a label.",
    ),
]
OwnerName = Annotated[
    str | None,
    Query(
        max_length=LONGEST_NAME,
        pattern=WORD,
        description="Only those sent with the key so named.",
    ),
]
AllTags = Annotated[
    list[Annotated[str, Query(pattern=TAG)]] | None,
    Query(max_length=20, description="Only those with all of these tags."),
]
Text = Annotated[
    str | None,
    Query(
        alias="q",
        max_length=200,
        pattern=WORD,
        description="Only those with this in name, note or id, in capitals or not.",
    ),
]
After = Annotated[Moment | None, Query(description="Only those sent at this moment or later.")]
Before = Annotated[Moment | None, Query(description="Only those sent before this moment.")]
Order = Annotated[StudyOrder, Query(description="What comes first.")]


def wanted(
    state: States = None,
    task: TaskName = None,
    optimizer: OptimizerName = None,
    owner: OwnerName = None,
    tag: AllTags = None,
    text: Text = None,
    created_after: After = None,
    created_before: Before = None,
    order: Order = StudyOrder.NEWEST,
) -> StudyFilter:
    """Dependency: which studies a request asks for."""
    return StudyFilter(
        states=tuple(state or ()),
        task=task,
        optimizer=optimizer,
        owner=owner,
        tags=tuple(tag or ()),
        text=text,
        created_after=created_after,
        created_before=created_before,
        order=order,
    )
