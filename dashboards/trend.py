"""A schedule's trend, each optimizer's best score from study to study, as lines in a table cell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dashboards import formatting
from dashboards.queries import BestScore
from service.heatmaps.model import MetricView
from service.schedules.model import ScheduleView, SentView

WIDTH, HEIGHT, MARGIN = 168, 44, 5
"""Of the drawing, in pixels; nothing comes nearer to its edge than the margin."""
LEAST_SHARE = 0.02
"""The scores of a share that the height spans, at least: seeds alone move them by less."""
LEAST_PART = 0.05
"""Likewise for other metrics, as a part of the largest score."""
COLOURS = 8
"""The stylesheet's `--line-1` and so on; a further line is dashed."""


@dataclass(frozen=True)
class Line:
    """One optimizer's scores."""

    title: str
    path: str
    """An SVG path, in pixels."""
    colour: int
    """From 1 to `COLOURS`."""
    dashed: bool
    end: tuple[float, float]
    """Where it ends."""
    worse: tuple[tuple[float, float], ...]
    """Where it came out significantly worse than before."""
    score: str
    """The last one, in words."""


@dataclass(frozen=True)
class Trend:
    """Lines on a common scale, `WIDTH` × `HEIGHT` pixels, the one that ends best first."""

    lines: tuple[Line, ...]
    words: str
    """What a reader who sees no lines is told."""
    width: int = WIDTH
    height: int = HEIGHT


def trend(schedule: ScheduleView, best: Mapping[str, Sequence[BestScore]]) -> Trend | None:
    """Draw how a schedule's studies came out; None of fewer than two that can be compared.

    Args:
        schedule: With the studies it sent.
        best: By study, the best scores of its optimizers. Left out are studies that have none, and
            those whose metric is not that of the last.
    """
    scored = [one for one in schedule.sent if best.get(one.study_id)]
    if not scored:
        return None
    metric = best[scored[-1].study_id][0].metric
    scored = [one for one in scored if best[one.study_id][0].metric == metric]
    if len(scored) < 2:
        return None
    scores = [{one.optimizer: one for one in best[sent.study_id]} for sent in scored]
    low, high = _bounds([one.score for found in scores for one in found.values()], metric)

    def place(number: int, score: float) -> tuple[float, float]:
        x = MARGIN + (WIDTH - 2 * MARGIN) * number / (len(scored) - 1)
        y = MARGIN + (HEIGHT - 2 * MARGIN) * (high - score) / (high - low)
        return round(x, 1), round(y, 1)

    named = dict.fromkeys([*schedule.optimizers, *(name for found in scores for name in found)])
    lines = []
    for index, name in enumerate(named):
        there = {number: found[name] for number, found in enumerate(scores) if name in found}
        if there:
            points = {number: place(number, one.score) for number, one in there.items()}
            lines.append(_line(index, list(there.values()), points, scored, name))
    lines.sort(key=lambda line: line.end[1], reverse=not metric.maximize)
    said = "; ".join(f"{line.title}: {line.score} at last" for line in lines)
    return Trend(tuple(lines), f"Best scores of the last {len(scored)} studies. {said}")


def _line(
    index: int,
    scores: Sequence[BestScore],
    points: Mapping[int, tuple[float, float]],
    sent: Sequence[SentView],
    name: str,
) -> Line:
    last = scores[-1]
    return Line(
        title=last.title,
        path="M" + "L".join(f"{x} {y}" for x, y in points.values()),
        colour=index % COLOURS + 1,
        dashed=index >= COLOURS,
        end=list(points.values())[-1],
        worse=tuple(at for number, at in points.items() if name in sent[number].worse),
        score=formatting.score(last.score, last.metric),
    )


def _bounds(scores: Sequence[float], metric: MetricView) -> tuple[float, float]:
    """Return the scores at the bottom and at the top, some way apart even where all are alike."""
    low, high = min(scores), max(scores)
    least = LEAST_SHARE if metric.percent else LEAST_PART * max(map(abs, scores)) or 1.0
    more = max(0.0, least - (high - low)) / 2
    return low - more, high + more
