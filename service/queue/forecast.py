"""Which studies will be taken next: the order of the queue, turns between owners played out."""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Waiting:
    """A study that waits."""

    id: str
    owner: str
    priority: int
    created_at: datetime


def upcoming(
    waiting: Iterable[Waiting],
    training: Mapping[str, int],
    served: Mapping[str, datetime],
    limit: int,
) -> list[str]:
    """Return the ids of the studies that will be taken next, if nothing else happens.

    As runners take one after the other, owners have their turns: who was just served goes last.

    Args:
        waiting: All studies that wait.
        training: Studies in training, by owner.
        served: When a study of an owner was last taken.
        limit: How many to tell.
    """
    queues: dict[tuple[int, str], list[Waiting]] = {}
    for study in waiting:
        queues.setdefault((-study.priority, study.owner), []).append(study)
    for queue in queues.values():
        queue.sort(key=lambda study: (study.created_at, study.id), reverse=True)
    levels = sorted({priority for priority, _ in queues})
    turns = {owner: (0, served.get(owner, NEVER)) for _, owner in queues}
    order: list[str] = []
    for level in levels:
        heads = [
            (training.get(owner, 0), *turns[owner], queue[-1].created_at, queue[-1].id, owner)
            for (priority, owner), queue in queues.items()
            if priority == level
        ]
        heapq.heapify(heads)
        while heads and len(order) < limit:
            count, *_, owner = heapq.heappop(heads)
            queue = queues[level, str(owner)]
            order.append(queue.pop().id)
            turns[str(owner)] = (len(order), NEVER)  # after all that were served until now
            if queue:
                head = queue[-1]
                turn = turns[str(owner)]
                heapq.heappush(heads, (int(count), *turn, head.created_at, head.id, str(owner)))
    return order[:limit]


def starts(busy: Sequence[float | None], idle: int, waiting: int) -> list[float | None]:
    """Return in how many seconds each of the next studies starts, as far as that can be told.

    Only for as many as there are runners: how long those ahead of the others take is not known.

    Args:
        busy: Seconds until each busy runner is free; None where its study does not tell.
        idle: Runners that are free now.
        waiting: Studies to tell it of.
    """
    free: list[float | None] = [0.0] * idle
    free += [None] * len(busy) if None in busy else sorted(one or 0.0 for one in busy)
    return [*free, *[None] * waiting][:waiting]
