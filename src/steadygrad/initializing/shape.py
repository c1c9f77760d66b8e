"""The shape of an input as the user gives it with --input, and random numbers of that shape."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from steadygrad.errors import InputError

LARGEST = 1 << 28
"""Numbers in one input; a gigabyte."""
VOCABULARY = -1
"""As `below`: the number of the model's own words."""
FEWEST_WORDS = 2
"""Of a model without an embedding."""
FORM = re.compile(r"(\d{1,9}(?:[x×,]\d{1,9})*)(?::(\d{1,9}|int))?")


@dataclass(frozen=True)
class Shape:
    """`8x3x32x32`; `8x16:1000` for whole numbers below 1000, `8x16:int` for tokens."""

    sizes: tuple[int, ...]
    below: int = 0
    """0: numbers from the standard normal distribution."""

    @classmethod
    def parse(cls, text: str) -> Shape:
        """Read it; InputError shows the accepted forms.

        >>> Shape.parse("1x3x32x32").sizes, Shape.parse("8x16:1000").below
        ((1, 3, 32, 32), 1000)
        """
        found = FORM.fullmatch(text.strip())
        sizes = tuple(int(n) for n in re.split("[x×,]", found[1])) if found else ()
        if not found or 0 in sizes or not (found[2] or "1").strip("0"):
            raise InputError(
                f"--input '{text}' is no shape; write 8x3x32x32 (examples, channels, height, "
                "width), 8x16:1000 for whole numbers below 1000, or 8x16:int for tokens of the "
                "model's own vocabulary."
            )
        if torch.Size(sizes).numel() > LARGEST:
            raise InputError(f"--input '{text}' is more than a gigabyte; give a smaller one.")
        return cls(sizes, VOCABULARY if found[2] == "int" else int(found[2] or 0))

    def of(self, examples: int) -> Shape:
        """The same for so many examples."""
        return replace(self, sizes=(examples, *self.sizes[1:]))

    def make(self, generator: torch.Generator, model: nn.Module | None = None) -> Tensor:
        """Random numbers of this shape: standard normal, or whole."""
        below = self.below
        if below == VOCABULARY:
            modules = [] if model is None else list(model.modules())
            words = [m.num_embeddings for m in modules if isinstance(m, nn.Embedding)]
            below = min(words, default=FEWEST_WORDS)
        if below:
            return torch.randint(below, self.sizes, generator=generator)
        return torch.randn(self.sizes, generator=generator)

    def __str__(self) -> str:
        return "x".join(map(str, self.sizes)) + {0: "", VOCABULARY: ":int"}.get(
            self.below, f":{self.below}"
        )
