"""Matrix products of K models."""

import torch
from torch import Tensor


def product(weight: Tensor, columns: Tensor, bias: Tensor | None) -> Tensor:
    """Return W x + b for W (K, o, i), x (K or 1, i, m) and b (K, o) or None: (K, o, m).

    What all models share is multiplied with all their weights in one large product.
    """
    count, outputs = weight.shape[:2]
    if len(columns) == 1 < count:
        flat = weight.reshape(count * outputs, -1)
        if bias is None:
            return torch.mm(flat, columns[0]).view(count, outputs, -1)
        return torch.addmm(bias.reshape(-1, 1), flat, columns[0]).view(count, outputs, -1)
    if bias is None:
        return torch.bmm(weight, columns)
    return torch.baddbmm(bias.unsqueeze(2), weight, columns)
