"""What there is to choose from: optimizers and tasks."""
