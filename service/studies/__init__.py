"""Studies: a task, optimizers, a grid of rates, seeds and a budget."""
