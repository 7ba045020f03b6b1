"""Runners and their devices, as they last said."""
