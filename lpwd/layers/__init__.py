"""Layers of a model: their order, their table, and how decay is shared out over them."""
