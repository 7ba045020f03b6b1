"""One model, K sets of weights: layers that compute for all of them at once.

A model is written once, for one trial. `torch.vmap` carries any model of plain operations to K of
them; for the layers that hold the weights there are rules here that compute the same with fewer and
larger kernels, with gradients in the layout of the weights. `Stacking` puts them in place.
"""

from workers.training.stacked.noise import Noise, NoiseSite
from workers.training.stacked.rules import Stacking

__all__ = ["Noise", "NoiseSite", "Stacking"]
