"""What a cell says to those who point at it or have it read to them."""

from dashboards import formatting
from service.heatmaps.model import Cell, CellState, Heatmap, MetricView

STARTED = {
    CellState.PENDING: "not started",
    CellState.RUNNING: "training, no seed finished",
    CellState.FAILED: "could not be trained",
}


def describe(cell: Cell, metric: MetricView) -> str:
    """Place, mean, seeds, interval and anything out of the ordinary, as one sentence."""
    return f"{place(cell)}: {outcome(cell, metric)}"


def place(cell: Cell) -> str:
    """Where a cell is; the same in every panel."""
    learning_rate, decay = formatting.rate(cell.learning_rate), formatting.rate(cell.weight_decay)
    return f"learning rate {learning_rate}, weight decay {decay}"


def outcome(cell: Cell, metric: MetricView) -> str:
    """What came of a cell so far."""
    if _scoreless(cell):
        return _without_score(cell)
    parts = [formatting.score(cell.mean, metric), _seeds(cell)]
    if cell.low is not None:
        interval = formatting.interval(cell.low, cell.high, metric)
        parts.append(f"95{formatting.NBSP}% interval {interval}")
    return ", ".join([*parts, *_remarks(cell)])


def brief(cell: Cell, metric: MetricView) -> str:
    """The same for a table, where mean and interval explain themselves and full seeds go
    unsaid."""
    if _scoreless(cell):
        return _without_score(cell)
    text = formatting.score(cell.mean, metric)
    if cell.low is not None:
        text += f" ({formatting.interval(cell.low, cell.high, metric)})"
    remarks = _remarks(cell)
    if len(cell.scores) < cell.seeds:
        remarks = [f"{len(cell.scores)} of {formatting.count(cell.seeds, 'seed')}", *remarks]
    return ", ".join([text, *remarks])


def _scoreless(cell: Cell) -> bool:
    return cell.mean is None or cell.state is CellState.DIVERGED


def _without_score(cell: Cell) -> str:
    if cell.state is CellState.DIVERGED:
        return f"diverged in all of {formatting.count(len(cell.scores), 'seed')}"
    return STARTED.get(cell.state, "no result")


def _seeds(cell: Cell) -> str:
    finished = len(cell.scores)
    if finished < cell.seeds:
        return f"mean of {finished} of {formatting.count(cell.seeds, 'seed')}"
    return "1 seed" if finished == 1 else f"mean of {finished} seeds"


def _remarks(cell: Cell) -> list[str]:
    """What is out of the ordinary."""
    remarks = {
        f"{cell.diverged} diverged": cell.diverged,
        f"{cell.failed} failed": cell.failed,
        "training": cell.state is CellState.RUNNING,
        "best": cell.best,
    }
    return [words for words, applies in remarks.items() if applies]


def summarise(heatmap: Heatmap, metric: MetricView) -> str:
    """A panel in one sentence."""
    size = (
        f"{formatting.count(len(heatmap.weight_decays), 'weight decay')} by "
        f"{formatting.count(len(heatmap.learning_rates), 'learning rate')}"
    )
    best = heatmap.best
    if best is None:
        return f"{heatmap.title}: {size}, no result yet"
    return f"{heatmap.title}: {size}; best {formatting.score(best.mean, metric)} at {place(best)}"
