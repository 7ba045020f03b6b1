"""Trials: single training runs, shared between studies."""
