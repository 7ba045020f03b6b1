"""One task in one file, and its registration. No torch here: the problem has its own file."""

from workers.tasks import Metric, Task

TASKS = (
    Task(
        name="two-moons",
        title="Two moons",
        summary="Two interleaved half circles; one hidden layer of 16 units.",
        version=1,
        metric=Metric("accuracy", maximize=True, chance=0.5, percent=True),
        epochs=5,
        batch_size=32,
        examples=(120, 40, 40),
        licence="BSD-3-Clause",
        source="scikit-learn's make_moons",
        problem="lpwd_example_plugin.two_moons:PROBLEM",
    ),
)
