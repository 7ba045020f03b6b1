"""Robustness heatmaps: a study's trials, aggregated and served."""
