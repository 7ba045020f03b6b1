"""What a robustness table says, in a sentence or two, no stronger than its seeds allow."""

from collections.abc import Sequence
from math import inf

from dashboards import formatting
from service.heatmaps.model import MetricView, RobustnessRow, StudyResults

SUBJECT = "lpwd"
"""The last word of the catalogue's names of the optimizers that the verdict is about."""

NAMED = 4
"""At most so many names in a row; the rest is counted."""

SEEDS_FOR_SIGNIFICANCE = 6
"""A paired two-sided sign-flip test of n seeds cannot go below p = 2 / 2ⁿ."""


def verdict(results: StudyResults) -> str | None:
    """Who scores best and who tolerates most, and where LPWD stands if it is neither.

    None while there is nothing to say.
    """
    rows = [row for row in results.robustness if row.best is not None]
    if not rows:
        return None
    leaders = best_rows(rows, results.metric)
    grid = results.heatmaps[0].weight_decays if results.heatmaps else ()
    widest, said = most_tolerant(rows, grid)
    sentences = [_leading(leaders, results.metric), *([said] if said else [])]
    for row in rows:
        if _is_subject(row) and len(rows) > 1:
            sentences += _standing(row, leaders, widest, results.metric)
    text = " ".join(sentences)
    complete = all(row.cells_done == row.cells for row in results.robustness)
    return text if complete else f"So far: {text}"


def honesty(seeds: int) -> str:
    """How far the number of seeds carries."""
    if seeds < SEEDS_FOR_SIGNIFICANCE:
        return (
            f"{formatting.count(seeds, 'seed')}: too few to call any difference significant "
            f"(at least {SEEDS_FOR_SIGNIFICANCE} are needed)."
        )
    return (
        f"{formatting.count(seeds, 'seed')} a cell. Where two intervals overlap, the order may be "
        "chance; paired tests are in the comparison with a reference."
    )


def confound(results: StudyResults) -> str | None:
    """What part of LPWD's tolerance is not due to its profile over the layers; None without LPWD.

    The mean of λ·i/n over n layers is λ(n + 1)/2n: on a log axis, that much is a mere shift.
    """
    if not any(_is_subject(row) for row in results.robustness):
        return None
    return (
        "LPWD gives layer i of n the share i/n of the weight decay, on average (n + 1)/2n: part of "
        "what it tolerates is that smaller dose."
    )


def best_rows(rows: Sequence[RobustnessRow], metric: MetricView) -> list[RobustnessRow]:
    """The rows that share the best score."""
    scored = [row.best for row in rows if row.best is not None]
    best = (max if metric.maximize else min)(scored, default=None)
    return [row for row in rows if row.best == best]


def most_tolerant(
    rows: Sequence[RobustnessRow], weight_decays: Sequence[float]
) -> tuple[list[RobustnessRow], str]:
    """The rows that may tolerate most, and a sentence about it; none where no row has a width.

    Small decays rarely hurt, so often every range begins at or below the smallest decay of the
    grid. Then the upper ends are compared. Else the widths are, of which those that touch the
    grid's edge are lower bounds that might exceed the greatest.
    """
    ranged = [row for row in rows if row.width is not None and row.safe_decays is not None]
    positive = [decay for decay in weight_decays if decay > 0]
    if len(ranged) < 2 or not positive:
        return [], ""
    if all(_ends(row)[0] <= min(positive) * (1 + 1e-9) for row in ranged):
        return _strongest(ranged, max(positive))
    greatest = max(row.width or 0 for row in ranged)
    found = [row for row in ranged if row.width == greatest or row.width_is_bound]
    if len(found) == 1:
        decades = formatting.width(found[0].width, found[0].width_is_bound)
        said = f"{found[0].title} tolerates the widest range of weight decay, {decades} decades."
    elif any(row.width_is_bound for row in found):
        said = f"Which range is widest, of {_names(found)}, cannot be told: some leave the grid."
    else:
        said = f"{_names(found)} tolerate equally wide ranges of weight decay."
    return found, said


def _strongest(ranged: list[RobustnessRow], edge: float) -> tuple[list[RobustnessRow], str]:
    top = max(_ends(row)[1] for row in ranged)
    found = [row for row in ranged if _ends(row)[1] == top]
    if len(found) == 1:
        said = f"{found[0].title} tolerates the strongest weight decay, up to"
    else:
        said = f"{_names(found)} tolerate equally strong weight decay, up to"
    beyond = ", where the grid ends" if top >= edge * (1 - 1e-9) else ""
    return found, f"{said} {formatting.rate(top, digits=2)}{beyond}."


def _ends(row: RobustnessRow) -> tuple[float, float]:
    return row.safe_decays or (inf, 0.0)


def _leading(leaders: list[RobustnessRow], metric: MetricView) -> str:
    scored = formatting.score(leaders[0].best, metric)
    if len(leaders) > 1:
        return f"{_names(leaders)} share the best score, {scored}."
    return f"{leaders[0].title} has the best score, {scored}."


def _standing(
    row: RobustnessRow,
    leaders: list[RobustnessRow],
    widest: list[RobustnessRow],
    metric: MetricView,
) -> list[str]:
    """Where the subject falls short, said plainly."""
    found = []
    leader = leaders[0]
    if row not in leaders and row.best is not None and leader.best is not None:
        gap = formatting.difference(abs(leader.best - row.best), metric)
        overlap = (
            " (their 95\N{NO-BREAK SPACE}% intervals overlap)" if _overlap(row, leader) else ""
        )
        found.append(f"{row.title} is not the best here: {gap} behind {leader.title}{overlap}.")
    if widest and row not in widest:
        either = " either" if found else ""
        found.append(f"{row.title} is not the most tolerant{either}.")
    return found


def _overlap(one: RobustnessRow, other: RobustnessRow) -> bool:
    ends = (one.best_low, one.best_high, other.best_low, other.best_high)
    if None in ends:
        return False
    low, high, other_low, other_high = (end for end in ends if end is not None)
    return low <= other_high and other_low <= high


def _names(rows: list[RobustnessRow]) -> str:
    titles = [row.title for row in rows]
    if len(titles) > NAMED:
        titles = [*titles[: NAMED - 1], f"{len(titles) - NAMED + 1} others"]
    *first, last = titles
    return f"{', '.join(first)} and {last}" if first else last


def _is_subject(row: RobustnessRow) -> bool:
    return row.entry.split("-")[-1] == SUBJECT
