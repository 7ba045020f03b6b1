"""Metrics for Prometheus: what the API saw, and what the database tells of everyone else."""

from service.metrics.registry import Metrics

__all__ = ["Metrics"]
