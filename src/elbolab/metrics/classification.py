"""How often a classifier is wrong.

Shapes: B = data, C = classes.
"""

import torch
from torch import Tensor


def is_wrong(scores: Tensor, y: Tensor) -> Tensor:
    """1 where the class of the highest score (B, C) is not the label (B,), else 0: (B,), whose mean is the error."""
    return (scores.argmax(-1) != y).to(torch.get_default_dtype())
