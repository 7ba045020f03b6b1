"""Optimizers against a reference, and studies beside one another."""
