"""What one entry of the catalogue is. No torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from lpwd.errors import UnknownHyperparameter
from lpwd.hyperparameters import Hyperparameter, Value, object_schema

Role = Literal["baseline", "method", "control", "external"]


@dataclass(frozen=True, slots=True)
class OptimizerEntry:
    """One optimizer that a study can name.

    Attributes:
        name: the key, lower case with hyphens ("adam-lpwd").
        title: the name for people ("Adam + LPWD").
        summary: one sentence on what it does.
        source: the paper or project that it comes from.
        version: part of a trial's identity; raised whenever the numbers it computes change.
        base: the base update ("sgd", "adam", or the external optimizer's own name).
        rule: the decay rule ("l2", "decoupled", "real-time", "pre", …).
        role: "method" (what is studied), "baseline", "control" (of a confound), or "external"
            (its step comes from another package).
        hyperparameters: all settings besides learning rate and decay rate.
        default_learning_rate: η where a study does not say.
        default_weight_decay: λ where a study does not say.
        learning_rate_range: lowest and highest η that a search tries, on a log scale.
        weight_decay_range: lowest and highest λ that a search tries, on a log scale.
        factory: "module:function" that builds it.
        fixed: arguments that the factory gets besides the hyperparameters and no study can change.
        stacks: whether the factory itself takes rates of shape (K,) and returns an optimizer with
            `decay()`. By default not: it is then called with float rates, once a stacked model.
        distribution: the installed package that registered it.
    """

    name: str
    title: str
    summary: str
    source: str
    version: int
    base: str
    rule: str
    role: Role
    factory: str
    hyperparameters: tuple[Hyperparameter, ...] = ()
    default_learning_rate: float = 1e-3
    default_weight_decay: float = 1e-2
    learning_rate_range: tuple[float, float] = (1e-5, 1.0)
    weight_decay_range: tuple[float, float] = (1e-5, 1.0)
    fixed: Mapping[str, object] = field(default_factory=dict, hash=False)
    stacks: bool = False
    distribution: str = "lpwd"

    def json_schema(self) -> dict[str, object]:
        """Describe the hyperparameters as a JSON Schema object that refuses unknown fields."""
        return object_schema(self.title, self.hyperparameters)

    def resolve(self, given: Mapping[str, object]) -> dict[str, object]:
        """Return every hyperparameter with its value: the given one, checked, or the default.

        Raises:
            UnknownHyperparameter: `given` holds a name that this optimizer does not have.
            InvalidHyperparameter: a value has the wrong type, is not finite or out of range.
        """
        known = {h.name: h for h in self.hyperparameters}
        unknown = [name for name in given if name not in known]
        if unknown:
            raise UnknownHyperparameter(
                f"{self.name} has no hyperparameter {unknown[0]!r}; "
                f"it has {', '.join(known) if known else 'none'}"
            )
        resolved: dict[str, object] = {}
        for name, hyperparameter in known.items():
            value: Value = hyperparameter.default
            if name in given:
                value = hyperparameter.check(given[name])
            resolved[name] = value
        return resolved
