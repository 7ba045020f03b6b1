"""Training: tasks, stacked training of whole grids, and its execution on Ray."""
