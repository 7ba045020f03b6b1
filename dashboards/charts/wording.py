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
    if cell.mean is None:
        return STARTED.get(cell.state, "no result")
    if cell.state is CellState.DIVERGED:
        return f"diverged in all of {formatting.count(len(cell.scores), 'seed')}"
    parts = [formatting.score(cell.mean, metric), _seeds(cell)]
    if cell.low is not None and cell.high is not None:
        parts.append(f"95{formatting.NBSP}% interval {interval_words(cell, metric)}")
    if cell.diverged:
        parts.append(f"{cell.diverged} diverged")
    if cell.failed:
        parts.append(f"{cell.failed} failed")
    if cell.state is CellState.RUNNING:
        parts.append("training")
    if cell.best:
        parts.append("best")
    return ", ".join(parts)


def interval_words(cell: Cell, metric: MetricView) -> str:
    """The interval of a cell's mean."""
    return formatting.interval(cell.low, cell.high, metric)


def _seeds(cell: Cell) -> str:
    finished = len(cell.scores)
    if finished < cell.seeds:
        return f"mean of {finished} of {formatting.count(cell.seeds, 'seed')}"
    return "1 seed" if finished == 1 else f"mean of {finished} seeds"


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
