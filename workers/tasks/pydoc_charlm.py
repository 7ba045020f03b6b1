"""The text of CPython's documentation, character by character, with a small causal transformer."""

from functools import cache
from math import log

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from workers.data import pydoc_text
from workers.data.pydoc_text import VOCABULARY
from workers.errors import DataMissingError
from workers.tasks.task import Examples, Problem, Splits

CONTEXT = 64
"""Characters of a window, each to be told from those before it in the window."""
BLOCK = 40
"""Neighbouring windows that go to one split together: what one page says is not learned from the
page itself."""
BLOCKS = (112, 14, 14)
"""Of train, validation and test."""
WIDTH, HEADS, DEPTH, DROPOUT = 64, 4, 2, 0.1


@cache
def _symbols() -> npt.NDArray[np.int64]:
    """Return the numbers of as many characters as the windows take, and one more.

    Raises:
        DataMissingError: This Python has no documentation, or less than that.
    """
    wanted = sum(BLOCKS) * BLOCK * CONTEXT + 1
    symbols = pydoc_text.symbols()
    if len(symbols) < wanted:
        raise DataMissingError(
            f"pydoc_data.topics of this Python has {len(symbols)} characters after repeated "
            f"paragraphs are left out, pydoc-charlm needs {wanted}; use a Python from python.org"
        )
    return np.frombuffer(symbols, dtype=np.uint8)[:wanted].astype(np.int64)


def load(seed: int) -> Splits:
    """80 / 10 / 10 % of 5600 windows of 64 characters; the seed deals blocks of 40 to the splits.

    Inputs and targets are both (n, 64): a target is the character after its input.
    """
    symbols = _symbols()
    inputs = symbols[:-1].reshape(-1, BLOCK, CONTEXT)
    targets = symbols[1:].reshape(-1, BLOCK, CONTEXT)
    dealt = np.random.default_rng(seed).permutation(len(inputs))
    train, validation, test = np.split(dealt, np.cumsum(BLOCKS)[:-1])

    def windows(blocks: npt.NDArray[np.int64]) -> Examples:
        return inputs[blocks].reshape(-1, CONTEXT), targets[blocks].reshape(-1, CONTEXT)

    return Splits(windows(train), windows(validation), windows(test))


class Block(nn.Module):
    """Attention to what came before, then a perceptron, each on normalised input and added."""

    def __init__(self) -> None:
        super().__init__()
        self.before_attention = nn.LayerNorm(WIDTH)
        self.attention = nn.Linear(WIDTH, 3 * WIDTH)
        self.projection = nn.Linear(WIDTH, WIDTH)
        self.before_perceptron = nn.LayerNorm(WIDTH)
        self.perceptron = nn.Sequential(
            nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH)
        )
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, hidden: Tensor) -> Tensor:
        """(n, T, width) to the same."""
        heads = self.attention(self.before_attention(hidden)).unflatten(2, (3, HEADS, -1))
        query, key, value = heads.permute(2, 0, 3, 1, 4).unbind(0)
        attended = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        hidden = hidden + self.dropout(self.projection(attended.transpose(1, 2).flatten(2)))
        change: Tensor = self.dropout(self.perceptron(self.before_perceptron(hidden)))
        return hidden + change


class CausalTransformer(nn.Module):
    """Two blocks of width 64 with four heads, dropout 0.1, embeddings of 64 positions."""

    def __init__(self) -> None:
        super().__init__()
        self.characters = nn.Embedding(VOCABULARY, WIDTH)
        self.positions = nn.Embedding(CONTEXT, WIDTH)
        self.dropout = nn.Dropout(DROPOUT)
        self.blocks = nn.Sequential(*(Block() for _ in range(DEPTH)))
        self.norm = nn.LayerNorm(WIDTH)
        self.logits = nn.Linear(WIDTH, VOCABULARY)
        for embedding in (self.characters, self.positions):
            nn.init.normal_(embedding.weight, std=0.02)

    def forward(self, inputs: Tensor) -> Tensor:
        """(n, T ≤ 64) characters to (n, T, vocabulary) logits."""
        places = torch.arange(inputs.shape[1], device=inputs.device)
        hidden = self.dropout(self.characters(inputs) + self.positions(places))
        logits: Tensor = self.logits(self.norm(self.blocks(hidden)))
        return logits


def cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean cross entropy, in nats, of logits (n, T, vocabulary) against characters (n, T)."""
    return functional.cross_entropy(outputs.flatten(0, 1), targets.flatten())


def bits_per_character(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean cross entropy in bits."""
    return cross_entropy(outputs, targets) / log(2)


PROBLEM = Problem(load=load, model=CausalTransformer, loss=cross_entropy, score=bits_per_character)
