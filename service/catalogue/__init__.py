"""What there is to choose from: optimizers, tasks and their data sets."""
