"""What is measured: images, and one pair of networks of which every contender gets a copy.

Shapes: n = images, B = batch, D = latent dimensions, S = height and width, ``*event`` = shape of one image.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn
from typing_extensions import override

from elbolab.batch import Net, Spec, Support
from elbolab.data.fetch import Rows, draw_bits
from elbolab.data.mnist import MNIST
from elbolab.data.module import DataModule
from elbolab.densities.layer import Layer, single_layer
from elbolab.distributions.conditional import Head, StandardNormal
from elbolab.distributions.family import Bernoulli, DiagonalNormal, per_element
from elbolab.nets.conv import Conv
from elbolab.nets.mlp import MLP
from elbolab.reading.splits import Arrays, Splits

LEARNING_RATE = 1e-3
"""Of everybody's Adam."""

NUM_BLOBS = 16_384
"""Training images of the convolutional case."""


@final
class Nets(nn.Module):
    """The networks of a VAE, both of one recipe.

    Attributes:
        encoder: x (B, *event) -> means and log variances of q(z | x), (B, 2 D).
        decoder: z (B, D) -> logits of p(x | z), (B, *event).
    """

    def __init__(self, net: Net, spec: Spec, latent_dim: int) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.encoder = net((spec.x,), per_element((latent_dim,), 2))
        self.decoder = net(((latent_dim,),), spec.x)


@final
class Held(DataModule):
    """Splits that are in memory already; the other arguments are those of `DataModule`."""

    def __init__(self, spec: Spec, held: Splits, **base: Any) -> None:
        super().__init__(**base)
        self.what, self.held = spec, held

    @override
    def header(self) -> Spec:
        return self.what

    @override
    def load(self) -> Splits:
        return self.held


@final
@dataclass(frozen=True)
class Case:
    """Images (uint8), and the networks of which every contender trains a copy on them.

    Every epoch has whole batches only, so that each step of each contender sees B images.
    """

    name: str
    spec: Spec
    splits: Splits
    original: Nets
    device: torch.device

    def nets(self) -> Nets:
        """A fresh copy on the device."""
        return deepcopy(self.original).to(self.device)

    def densities(self) -> Layer:
        """The densities of elbolab around a fresh copy."""
        nets = self.nets()
        posterior = partial(Head, net=lambda *_: nets.encoder, family=DiagonalNormal)
        likelihood = partial(Head, net=lambda *_: nets.decoder, family=Bernoulli)
        return single_layer(self.spec, nets.latent_dim, StandardNormal, posterior, likelihood).to(self.device)

    def data(self, batch: int) -> Held:
        """The data module of elbolab."""
        return Held(self.spec, self.splits, batch_size=batch, train_limit=self.usable(batch))

    def usable(self, batch: int) -> int:
        """Training images in whole batches."""
        num = len(self.splits.train)
        return num - num % batch

    def rows(self, batch: int) -> Tensor:
        """Those images as they are stored, (n, *event) uint8, in the host's memory."""
        return Rows.of(self.splits.train.rows(slice(self.usable(batch)))).x

    def see(self, rows: Tensor) -> Tensor:
        """Stored images -> what a model sees: binary draws from grey values, or the binary values themselves."""
        x, train = rows.float(), self.splits.train
        return draw_bits(x / 255) if train.draws else x

    def test_images(self) -> Tensor:
        """Binary test images on the device, (n, *event)."""
        return Rows.of(self.splits.test).x.to(self.device).float()


def blobs(num: int, seed: int, size: int = 64) -> np.ndarray:
    """Filled ellipses for a speed test, without a download and as large as wanted: (n, 1, S, S) uint8, 1 inside."""
    rng, chunk = np.random.default_rng(seed), 1024  # to bound the memory of the distances
    return np.concatenate([_ellipses(rng.random((min(chunk, num - i), 4)), size) for i in range(0, num, chunk)])


def _ellipses(uniform: np.ndarray, size: int) -> np.ndarray:
    """Uniform numbers (n, 4) -> images: centres in the middle half, half axes of 5 % to 25 % of the width."""
    grid = (np.arange(size, dtype=np.float32) + 0.5) / size
    centres, axes = 0.25 + 0.5 * uniform[:, :2], 0.05 + 0.2 * uniform[:, 2:]
    down, across = (((grid - centres[:, [i]]) / axes[:, [i]]) ** 2 for i in range(2))
    inside = down[:, :, None] + across[:, None, :] < 1
    return inside[:, None].astype(np.uint8)


MakeCase = Callable[[torch.device], Case]


def mlp(device: torch.device, latent_dim: int = 20) -> Case:
    """MNIST, 784-400-20 (Kingma & Welling 2014 with ReLU), binarised at every step."""
    net = partial(MLP, hidden=[400], activation="ReLU", init="glorot")
    return _case("mlp", mnist(), net, latent_dim, device)


def conv(device: torch.device, latent_dim: int = 10, num: int = NUM_BLOBS) -> Case:
    """Binary 64 x 64 images, four convolutions of stride 2 and a dense layer each way (after Burgess et al. 2018)."""
    net = partial(Conv, channels=[32, 32, 64, 64], kernel_size=4, dense=[256], activation="ReLU", init="glorot")
    held = Held(Spec((1, 64, 64), Support.BINARY, levels=2), _blob_splits(num), batch_size=1)
    return _case("conv", held, net, latent_dim, device)


def burda(device: torch.device) -> Case:
    """MNIST, 784-200-200-50 with tanh (Burda et al. 2016), whose log-likelihood is estimated."""
    net = partial(MLP, hidden=[200, 200], activation="Tanh", init="glorot")
    return _case("burda", mnist(), net, 50, device)


TRAINED: dict[str, MakeCase] = {"mlp": mlp, "conv": conv}
"""What is trained, by the name that an option gives."""


@cache
def mnist() -> MNIST:
    """The embedded digits, read once."""
    return MNIST()


@cache
def _blob_splits(num: int) -> Splits:
    return Splits(*(Arrays(blobs(size, seed), levels=2) for seed, size in enumerate((num, 256, 256))))


def _case(name: str, data: DataModule, net: Net, latent_dim: int, device: torch.device) -> Case:
    """A case whose networks have the same weights at every call."""
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(0)
        nets = Nets(net, data.spec, latent_dim)
    return Case(name, data.spec, data.splits, nets, device)
