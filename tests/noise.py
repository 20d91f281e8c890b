"""Noise that does not tell data from each other."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class SameNoise(TorchDispatchMode):
    """Whatever is drawn is the same for every datum: parts of a batch then draw what the whole does."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        drawn = func(*args, **(kwargs or {}))
        if torch.Tag.nondeterministic_seeded not in func.tags:
            return drawn
        if "bernoulli" in func.name():
            return drawn.copy_(args[0] > 0.5)
        if "multinomial" in func.name():
            return drawn.copy_(args[0].argmax(-1, keepdim=True).expand_as(drawn))
        return drawn.fill_(1 if not drawn.is_floating_point() else 0.3)
