"""What decay does to a model while it trains: by step and parameter, and on a probe batch."""

from lpwd.diagnostics.effect import DecayEffect, decay_effect
from lpwd.diagnostics.steps import ParameterStep, StepDiagnostics

__all__ = ["DecayEffect", "ParameterStep", "StepDiagnostics", "decay_effect"]
