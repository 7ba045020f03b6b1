"""Made-up results: a plausible study, and every awkward one a page may meet."""

import math
import random
from dataclasses import replace
from datetime import UTC, datetime

from service.heatmaps.model import (
    Cell,
    CellState,
    Heatmap,
    LearningCurve,
    MetricView,
    RobustnessRow,
    StudyResults,
)
from service.studies.model import StudyState, StudySummary
from workers.contracts import Budget

ACCURACY = MetricView("accuracy", "test", maximize=True, chance=0.1, percent=True)
LOSS = MetricView("cross entropy", "validation", maximize=False, chance=2.3026, percent=False)

LEARNING_RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
WEIGHT_DECAYS = (0.0, 1e-4, 1e-3, 1e-2, 1e-1, 0.5, 1.0)
TITLES = {
    "adamw": "AdamW",
    "adam-l2": "Adam + L2",
    "adam-rwd": "Adam + RWD",
    "adam-pwd": "Adam + PWD",
    "adam-lpwd": "Adam + LPWD",
}
HOSTILE = """<script>alert("x")</script>&amp;'"}]}</svg><img src=x onerror=alert(1)>"""
NOW = datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)


def cell(
    learning_rate: float,
    weight_decay: float,
    scores: tuple[float, ...] = (),
    *,
    state: CellState | None = None,
    seeds: int = 3,
    diverged: int = 0,
    failed: int = 0,
) -> Cell:
    """One cell with its mean and a rough interval."""
    mean = sum(scores) / len(scores) if scores else None
    spread = None
    if mean is not None and len(scores) > 1:
        variance = sum((score - mean) ** 2 for score in scores) / (len(scores) - 1)
        spread = 4.3 * math.sqrt(variance / len(scores))
    if state is None:
        state = CellState.DONE if scores else CellState.PENDING
        if scores and diverged == len(scores):
            state = CellState.DIVERGED
    return Cell(
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        state=state,
        seeds=seeds,
        scores=scores,
        diverged=diverged,
        failed=failed,
        mean=mean,
        low=None if mean is None or spread is None else mean - spread,
        high=None if mean is None or spread is None else mean + spread,
    )


def surface(
    optimizer: str,
    title: str,
    seeds: int = 3,
    learning_rates: tuple[float, ...] = LEARNING_RATES,
    weight_decays: tuple[float, ...] = WEIGHT_DECAYS,
    shift: float = 0.0,
    peak: float = 0.975,
) -> Heatmap:
    """A hill over the rates that falls off a cliff where decay is strong."""
    dice = random.Random(optimizer)
    cells = {}
    for learning_rate in learning_rates:
        for weight_decay in weight_decays:
            far = (math.log10(learning_rate) + 2.6) ** 2 * 0.02
            strong = max(0.0, math.log10(weight_decay or 1e-6) + 1 - shift) ** 2 * 0.09
            middle = peak - far - strong
            scores = tuple(max(0.1, middle + dice.gauss(0, 0.003)) for _ in range(seeds))
            steps = learning_rate * max(weight_decay, 1e-9)
            diverged = seeds if steps > 5e-3 and shift < 0.3 else 0
            if not diverged and steps > 2e-3:
                diverged = min(1, seeds - 1)
            scores = tuple(0.1 if i < diverged else s for i, s in enumerate(scores))
            cells[learning_rate, weight_decay] = cell(
                learning_rate, weight_decay, scores, seeds=seeds, diverged=diverged
            )
    return Heatmap(optimizer, title, learning_rates, weight_decays, cells)


def assemble(
    heatmaps: tuple[Heatmap, ...],
    metric: MetricView = ACCURACY,
    tolerance: float = 0.01,
    seeds: int = 3,
    epochs: int = 20,
) -> StudyResults:
    """Mark best and tolerance, and fill in a table and curves that fit the maps."""
    sign = 1 if metric.maximize else -1
    marked, rows, curves = [], [], []
    for heatmap in heatmaps:
        done = [found for found in heatmap.cells.values() if found.mean is not None]
        good = [found for found in done if found.state is not CellState.DIVERGED]
        best = max(good, key=lambda found: sign * found.mean) if good else None
        cells = {
            key: replace(
                found,
                best=found is best,
                within_tolerance=best is not None
                and found.mean is not None
                and sign * (best.mean - found.mean) <= tolerance,
            )
            for key, found in heatmap.cells.items()
        }
        marked.append(replace(heatmap, cells=cells))
        rows.append(_row(heatmap, best, cells))
        if best is not None and epochs:
            curves.append(_curve(heatmap, best, metric, epochs, seeds))
    means = [c.mean for h in marked for c in h.cells.values() if c.mean is not None]
    top = max(means, key=lambda mean: sign * mean, default=None)
    domain = None
    if top is not None:
        span = 0.1 if metric.percent else 0.5
        domain = (top - span, top) if metric.maximize else (top, top + span)
    return StudyResults(metric, tolerance, domain, tuple(marked), tuple(rows), tuple(curves), seeds)


def _row(heatmap: Heatmap, best: Cell | None, cells: dict[tuple[float, float], Cell]):
    inside = [c for c in cells.values() if c.within_tolerance]
    decays = [c.weight_decay for c in inside if c.weight_decay > 0]
    area = len(inside) / len(cells) if cells and best else None
    width = math.log10(max(decays) / min(decays)) if decays else None
    edge = ()
    if best and best.learning_rate in (heatmap.learning_rates[0], heatmap.learning_rates[-1]):
        edge = ("learning_rate",)
    return RobustnessRow(
        optimizer=heatmap.optimizer,
        title=heatmap.title,
        entry=heatmap.optimizer,
        best=best.mean if best else None,
        best_low=best.low if best else None,
        best_high=best.high if best else None,
        learning_rate=best.learning_rate if best else None,
        weight_decay=best.weight_decay if best else None,
        on_edge=edge,
        width=width,
        width_is_bound=bool(decays) and min(decays) == min(d for d in heatmap.weight_decays if d),
        safe_decays=(min(decays), max(decays)) if decays else None,
        area=area,
        area_low=None if area is None else max(0.0, area - 0.06),
        area_high=None if area is None else min(1.0, area + 0.05),
        log_decay_auc=None,
        worst=min((c.mean for c in cells.values() if c.mean is not None), default=None),
        diverged=sum(c.diverged for c in cells.values()),
        cells_done=sum(c.state in (CellState.DONE, CellState.DIVERGED) for c in cells.values()),
        cells=len(cells),
    )


def _curve(heatmap: Heatmap, best: Cell, metric: MetricView, epochs: int, seeds: int):
    span = best.mean - metric.chance
    pace = 1.5 + random.Random(heatmap.title).random()
    mean = tuple(metric.chance + span * (1 - math.exp(-epoch / pace)) for epoch in range(epochs))
    mean = (*mean[1:], best.mean)
    band = seeds > 1
    return LearningCurve(
        heatmap.optimizer,
        heatmap.title,
        tuple(range(1, epochs + 1)),
        mean,
        tuple(value - 0.01 * abs(span) for value in mean) if band else None,
        tuple(value + 0.01 * abs(span) for value in mean) if band else None,
        seeds,
    )


def complete() -> StudyResults:
    """Five optimizers, every cell done."""
    shifts = (0.0, -0.3, 0.05, 0.2, 0.5)
    peaks = (0.975, 0.968, 0.976, 0.9775, 0.974)
    return assemble(
        tuple(
            surface(optimizer, title, shift=shift, peak=peak)
            for (optimizer, title), shift, peak in zip(TITLES.items(), shifts, peaks, strict=True)
        )
    )


def partial() -> StudyResults:
    """The same study half-way: some cells wait, some train, one failed."""
    heatmaps = []
    for index, heatmap in enumerate(complete().heatmaps):
        cells = {}
        for number, (key, found) in enumerate(heatmap.cells.items()):
            if (number * 7 + index * 3) % 11 < 3 + index:
                state = CellState.RUNNING if number % 3 == 0 else CellState.PENDING
                some = found.scores[:1] if number % 6 == 0 else ()
                found = cell(*key, some, state=state)
            elif number == 17:
                found = cell(*key, found.scores[:2], state=CellState.FAILED, failed=1)
            elif number == 4:
                found = cell(*key, (), state=CellState.FAILED, failed=3)
            cells[key] = found
        heatmaps.append(replace(heatmap, cells=cells))
    return assemble(tuple(heatmaps))


def empty() -> StudyResults:
    """Nothing finished."""
    heatmaps = tuple(
        Heatmap(
            optimizer,
            title,
            LEARNING_RATES,
            WEIGHT_DECAYS,
            {(lr, wd): cell(lr, wd) for lr in LEARNING_RATES for wd in WEIGHT_DECAYS},
        )
        for optimizer, title in TITLES.items()
    )
    return assemble(heatmaps)


def all_diverged() -> StudyResults:
    """Every seed of every cell diverged."""
    cells = {
        (lr, wd): cell(lr, wd, (0.1, 0.1, 0.1), diverged=3)
        for lr in LEARNING_RATES
        for wd in WEIGHT_DECAYS
    }
    return assemble((Heatmap("adamw", "AdamW", LEARNING_RATES, WEIGHT_DECAYS, cells),))


def one_cell() -> StudyResults:
    """The smallest study there is."""
    heatmap = surface("adamw", "AdamW", 1, learning_rates=(1e-3,), weight_decays=(0.0,))
    return assemble((heatmap,), seeds=1, epochs=1)


def twelve() -> StudyResults:
    """More optimizers than there are line colours, with names longer than a label."""
    return assemble(
        tuple(
            surface(f"optimizer-{i}", f"Optimizer number {i} with a very long name ({i})")
            for i in range(12)
        )
    )


def large() -> StudyResults:
    """A grid of 15 × 25 cells, not all of its rates round."""
    rates = tuple(10 ** (-5 + i / 3) for i in range(15))
    decays = (0.0, *(10 ** (-6 + i / 4) for i in range(24)))
    return assemble((surface("adamw", "AdamW", 2, rates, decays),), seeds=2)


def minimised() -> StudyResults:
    """A loss: less is better."""
    heatmaps = []
    for heatmap in complete().heatmaps[:2]:
        cells = {
            key: cell(*key, tuple(2.3 * (1 - score) for score in found.scores))
            for key, found in heatmap.cells.items()
        }
        heatmaps.append(replace(heatmap, cells=cells))
    return assemble(tuple(heatmaps), LOSS, tolerance=0.05)


def no_optimizers() -> StudyResults:
    """Nothing to draw at all."""
    return assemble(())


def hostile() -> StudyResults:
    """Names that try to leave the text they are in."""
    return assemble((surface("adamw", HOSTILE), surface("x", "'; datum.x + \\u0022 {{ 7 * 7 }}")))


AWKWARD = {
    builder.__name__: builder
    for builder in (
        complete, partial, empty, all_diverged, one_cell, twelve, large, minimised,
        no_optimizers, hostile,
    )
}  # fmt: skip


def summary(**changes: object) -> StudySummary:
    """A running study."""
    study = StudySummary(
        id="01HZX",
        name="LPWD against its baselines",
        task="digits-mlp",
        optimizers=tuple(TITLES),
        learning_rates=LEARNING_RATES,
        weight_decays=WEIGHT_DECAYS,
        seeds=(0, 1, 2),
        epochs=20,
        state=StudyState.RUNNING,
        error=None,
        created_at=NOW,
        started_at=NOW,
        finished_at=None,
        trials=525,
        finished=312,
        diverged=14,
        failed=0,
        running=32,
        reused=35,
        progress=0.63,
        eta_seconds=41.0,
        device="2 × cpu",
        budget=Budget(20, 64),
        hyperparameters={label: {} for label in TITLES},
    )
    return replace(study, **changes)
