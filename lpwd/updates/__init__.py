"""The base updates that every decay rule combines with."""

from lpwd.updates.adam import AdamUpdate
from lpwd.updates.base import BaseUpdate
from lpwd.updates.sgd import SGDUpdate

__all__ = ["AdamUpdate", "BaseUpdate", "SGDUpdate"]
