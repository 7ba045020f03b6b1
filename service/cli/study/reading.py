"""Lists of studies, one study, its trials."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TypeVar

from rich.table import Table

from service.cli.connection import StudyArgument, connected, study_id
from service.cli.following import come, progress_line
from service.cli.options import AllOption, LimitOption
from service.cli.output import (
    JsonOption,
    ago,
    cells,
    console,
    count,
    duration,
    facts,
    moment,
    rates,
    show_json,
    show_list,
    table,
)
from service.cli.study.options import (
    LabelFilter,
    LearningRateFilter,
    OptimizerFilter,
    OrderOption,
    OwnerFilter,
    SeedFilter,
    StateFilter,
    TagFilter,
    TaskFilter,
    TextFilter,
    TrialStateFilter,
    WeightDecayFilter,
)
from service.client import Client
from service.studies.answers import StudyAnswer
from service.trials.schemas import TrialAnswer

Row = TypeVar("Row")


@connected
def listing(
    client: Client,
    state: StateFilter = None,
    task: TaskFilter = None,
    optimizer: OptimizerFilter = None,
    owner: OwnerFilter = None,
    tag: TagFilter = None,
    text: TextFilter = None,
    order: OrderOption = None,
    limit: LimitOption = 20,
    everything: AllOption = False,
    as_json: JsonOption = False,
) -> None:
    """List studies, newest first.

    Example: lpwd study list --state running --tag paper
    """
    fetched = 200 if everything else min(limit + 1, 200)
    rows = client.studies(
        state=state,
        task=task,
        optimizer=optimizer,
        owner=owner,
        tag=tag,
        text=text,
        order=order,
        limit=fetched,
    )
    found, more = cut(rows, None if everything else limit)
    nothing = "no such studies; lpwd submit sends one"
    after = _more(limit) if more else ""
    show_list(found, _studies, as_json=as_json, nothing=nothing, after=after)


def _studies(found: Sequence[StudyAnswer]) -> Table:
    shown = table("study", "state", "done", "task", "sent", "name", wrapped=["name"])
    for one in found:
        tags = f" [{', '.join(one.tags)}]" if one.tags else ""
        name = one.name + tags
        shown.add_row(*cells(one.id, one.state, come(one), one.task, ago(one.created_at), name))
    return shown


def _more(limit: int) -> str:
    return f"and more: --limit or --all lists them (these are the first {limit})"


def cut(rows: Iterator[Row], limit: int | None) -> tuple[list[Row], bool]:
    """Take as many rows as are shown, and tell whether there are more."""
    found = list(islice(rows, None if limit is None else limit + 1))
    return found[:limit], limit is not None and len(found) > limit


@connected
def show(client: Client, study: StudyArgument, as_json: JsonOption = False) -> None:
    """Show a study: what it trains, how far it has come, what was said of it.

    Example: lpwd study show 3fa9
    """
    found = client.study(study_id(client, study))
    if as_json:
        show_json(found)
        return
    console().print(facts(described(found, client.page(found.id))))


def described(study: StudyAnswer, page: str) -> list[tuple[str, object]]:
    """Describe a study, line by line."""
    budget = study.budget
    return [
        ("study", study.id),
        ("name", study.name),
        ("state", progress_line(study)),
        ("why", study.error),
        ("task", study.task),
        ("optimizers", ", ".join(_optimizer(label, study) for label in study.optimizers)),
        ("learning rates", rates(study.learning_rates)),
        ("weight decays", rates(study.weight_decays)),
        ("seeds", count(len(study.seeds), "seed") + f": {rates(study.seeds)}"),
        (
            "budget",
            f"{count(budget.epochs, 'epoch')}, batches of {budget.batch_size}, "
            f"{budget.schedule} learning rate",
        ),
        ("trials", _trials(study)),
        ("sent", moment(study.created_at)),
        ("started", moment(study.started_at)),
        ("ended", moment(study.finished_at)),
        ("device", study.device),
        ("last loss", study.last_loss),
        ("owner", study.owner),
        ("priority", study.priority or None),
        ("limits", _limits(study)),
        ("tags", ", ".join(study.tags)),
        ("note", study.note),
        ("page", page),
    ]


def _optimizer(label: str, study: StudyAnswer) -> str:
    changed = study.hyperparameters.get(label) or {}
    own = ", ".join(f"{name}={value}" for name, value in changed.items())
    return f"{label} ({own})" if own else label


def _limits(study: StudyAnswer) -> str:
    """How much of what it may take it has taken."""
    pairs = {
        "running": (study.used.running_seconds, study.limits.running_seconds),
        "of training": (study.used.training_seconds, study.limits.training_seconds),
    }
    return ", ".join(
        f"{duration(used)} of {duration(limit)} {what}"
        for what, (used, limit) in pairs.items()
        if limit is not None
    )


def _trials(study: StudyAnswer) -> str:
    parts = {
        "done": study.finished - study.diverged,
        "diverged": study.diverged,
        "failed": study.failed,
        "running": study.running,
        "known before": study.reused,
    }
    said = ", ".join(f"{number:,} {what}" for what, number in parts.items() if number)
    return f"{study.trials:,}" + (f": {said}" if said else "")


@connected
def trials(
    client: Client,
    study: StudyArgument,
    state: TrialStateFilter = None,
    optimizer: LabelFilter = None,
    learning_rate: LearningRateFilter = None,
    weight_decay: WeightDecayFilter = None,
    seed: SeedFilter = None,
    limit: LimitOption = 50,
    everything: AllOption = False,
    as_json: JsonOption = False,
) -> None:
    """List a study's trials, in the order they are trained.

    Example: lpwd study trials 3fa9 --state failed
    """
    fetched = 1000 if everything else min(limit + 1, 1000)
    rows = client.trials(
        study_id(client, study),
        state=state,
        optimizer=optimizer,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        seed=seed,
        limit=fetched,
    )
    found, more = cut(rows, None if everything else limit)
    nothing = "no such trials"
    show_list(
        found, _trials_of, as_json=as_json, nothing=nothing, after=_more(limit) if more else ""
    )


def _trials_of(found: Sequence[TrialAnswer]) -> Table:
    shown = table(
        "trial", "optimizer", "lr", "wd", "seed", "state", "valid.", "test", "time", "why",
        right=["lr", "wd", "seed", "valid.", "test", "time"], wrapped=["why"],
    )  # fmt: skip
    for one in found:
        shown.add_row(
            *cells(
                one.key,
                one.optimizer,
                f"{one.learning_rate:g}",
                f"{one.weight_decay:g}",
                one.seed,
                one.state,
                _score(one.validation_score),
                _score(one.test_score),
                duration(one.seconds),
                one.reason or "",
            )
        )
    return shown


def _score(value: float | None) -> str | None:
    return None if value is None else f"{value:.4f}"
