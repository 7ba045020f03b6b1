"""Optimizers from `torch.optim` and `pytorch_optimizer`, by adapter; never rewritten here."""

from collections.abc import Mapping
from dataclasses import replace

from lpwd.builtin.settings import BETAS, MOMENTUM, betas
from lpwd.entry import OptimizerEntry
from lpwd.hyperparameters import Hyperparameter


def _external(
    name: str,
    title: str,
    path: str,
    summary: str,
    source: str,
    hyperparameters: tuple[Hyperparameter, ...],
    *,
    options: Mapping[str, object] | None = None,
    learning_rate: float = 1e-3,
    factory: str = "lpwd.external:plain",
) -> OptimizerEntry:
    """Return the entry of an optimizer from another package."""
    where = {"path": path} if factory == "lpwd.external:plain" else {}
    return OptimizerEntry(
        name=name,
        title=title,
        summary=summary,
        source=source,
        version=1,
        base=name,
        rule="its own",
        role="external",
        factory=factory,
        hyperparameters=hyperparameters,
        default_learning_rate=learning_rate,
        fixed={**where, **(options or {})},
    )


EXTERNAL: tuple[OptimizerEntry, ...] = (
    _external(
        "nadamw",
        "NAdamW",
        "torch.optim:NAdam",
        "Adam with Nesterov momentum and decoupled decay.",
        "torch.optim",
        BETAS,
        options={"decoupled_weight_decay": True},
    ),
    _external(
        "radamw",
        "RAdamW",
        "torch.optim:RAdam",
        "Adam with rectified early steps and decoupled decay.",
        "torch.optim",
        BETAS,
        options={"decoupled_weight_decay": True},
    ),
    _external(
        "lion",
        "Lion",
        "pytorch_optimizer:Lion",
        "Sign of an interpolated momentum, with decoupled decay.",
        "pytorch_optimizer; arXiv 2302.06675",
        betas(0.9, 0.99),
        options={"weight_decouple": True},
        learning_rate=1e-4,
    ),
    _external(
        "ademamix",
        "AdEMAMix",
        "pytorch_optimizer:AdEMAMix",
        "Adam with a second, slower momentum and decoupled decay.",
        "pytorch_optimizer; arXiv 2409.03137",
        betas(0.9, 0.999, 0.9999),
        options={"weight_decouple": True},
    ),
    _external(
        "adopt",
        "ADOPT",
        "pytorch_optimizer:ADOPT",
        "Adam that divides by the second moment before the present gradient; decoupled decay.",
        "pytorch_optimizer; arXiv 2411.02853",
        betas(0.9, 0.9999),
        options={"weight_decouple": True},
    ),
    _external(
        "adan",
        "Adan",
        "pytorch_optimizer:Adan",
        "Adaptive Nesterov momentum with decoupled decay.",
        "pytorch_optimizer; arXiv 2208.06677",
        betas(0.98, 0.92, 0.99),
        options={"weight_decouple": True},
    ),
    _external(
        "lamb",
        "LAMB",
        "pytorch_optimizer:Lamb",
        "Adam with a trust ratio a layer and decoupled decay.",
        "pytorch_optimizer; arXiv 1904.00962",
        BETAS,
    ),
    _external(
        "soap",
        "SOAP",
        "pytorch_optimizer:SOAP",
        "Adam in the eigenbasis of Shampoo's preconditioner.",
        "pytorch_optimizer; arXiv 2409.11321",
        betas(0.95, 0.95),
        learning_rate=3e-3,
    ),
    _external(
        "muon",
        "Muon",
        "-",
        "Orthogonalised momentum on weight matrices, AdamW on the rest.",
        "pytorch_optimizer; kellerjordan.github.io/posts/muon",
        (
            replace(MOMENTUM, default=0.95),
            Hyperparameter("nesterov", "boolean", True, "Look ahead along the momentum buffer."),
            Hyperparameter(
                "adamw_multiplier",
                "number",
                0.015,
                "AdamW's learning rate on the other parameters, as a multiple of Muon's.",
                0.0,
            ),
        ),
        learning_rate=2e-2,
        factory="lpwd.external:muon",
    ),
    _external(
        "schedule-free-adamw",
        "Schedule-Free AdamW",
        "pytorch_optimizer:ScheduleFreeAdamW",
        "AdamW whose iterate averaging replaces a schedule; evaluate after `optimizer.eval()`.",
        "pytorch_optimizer; arXiv 2405.15682",
        BETAS,
        learning_rate=2.5e-3,
    ),
    _external(
        "schedule-free-sgd",
        "Schedule-Free SGD",
        "pytorch_optimizer:ScheduleFreeSGD",
        "SGD whose iterate averaging replaces a schedule; evaluate after `optimizer.eval()`.",
        "pytorch_optimizer; arXiv 2405.15682",
        (MOMENTUM,),
        learning_rate=1.0,
    ),
)
