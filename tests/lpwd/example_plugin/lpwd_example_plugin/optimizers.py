"""One optimizer in one file, and its registration. No torch here: the factory has its own file."""

from lpwd.catalogue import Hyperparameter, OptimizerEntry

OPTIMIZERS = (
    OptimizerEntry(
        name="sign-sgd",
        title="Sign SGD",
        summary="Steps by the sign of the gradient, with decoupled decay.",
        source="Bernstein et al. 2018, arXiv 1802.04434",
        version=1,
        base="sign-sgd",
        rule="decoupled",
        role="external",
        factory="lpwd_example_plugin.sign_sgd:build",
        hyperparameters=(
            Hyperparameter("threshold", "number", 0.0, "Gradients below it are ignored.", 0.0),
        ),
    ),
)
