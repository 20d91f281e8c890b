"""Small models that several tests build."""

import re
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Checkpoint
from torch import nn
from torch.distributions import Independent, MultivariateNormal, Normal

from elbolab.batch import Batch, Spec, Support, name_by_number
from elbolab.common.refusal import Refusal
from elbolab.config.errors import sentence_of
from elbolab.data.module import DataModule
from elbolab.densities.capabilities import Classifying
from elbolab.densities.layer import single_layer
from elbolab.densities.wiring import regression as regression_layer
from elbolab.densities.wiring import stochastic_network
from elbolab.distributions.conditional import Conditional, Head, StandardNormal
from elbolab.distributions.family import Bernoulli, DiagonalNormal
from elbolab.models.vae import VAE
from elbolab.nets.mlp import MLP
from elbolab.reading.splits import Arrays, Splits
from elbolab.training.trainer import make_trainer

BITS = Spec((6,), Support.BINARY, 2)
CLASSES = BITS._replace(classes=name_by_number(3))
LABELLED = CLASSES._replace(given=((3,),), given_is_label=True)


def mlp(*hidden):
    return partial(MLP, hidden=list(hidden), activation="Tanh", init="glorot")


def small_densities(spec=BITS, latent_dim=2, posterior=None, prior=StandardNormal, family=Bernoulli):
    """A VAE of 6 bits with 5 hidden units."""
    posterior = posterior or partial(Head, net=mlp(5), family=DiagonalNormal)
    return single_layer(spec, latent_dim, prior, posterior, partial(Head, net=mlp(5), family=family))


class Linear(Conditional):
    """N(W z + b, scale^2 I), or N(W z + b, covariance)."""

    def __init__(self, parents, event, weight, bias, scale):
        super().__init__()
        self.weight, self.bias, self.scale = nn.Parameter(weight), nn.Parameter(bias), scale

    def forward(self, z):
        mean = z @ self.weight.T + self.bias
        if self.scale.dim() == 2:
            return MultivariateNormal(mean, self.scale)
        return Independent(Normal(mean, self.scale.expand_as(mean)), 1)


def linear_gaussian(num=5, dim=4, latent_dim=2, scale=0.5, seed=0):
    """x = W z + b + scale * noise with z ~ N(0, I): evidence and posterior are known (Tipping & Bishop 1999)."""
    g = torch.Generator().manual_seed(seed)
    w, b, x = (torch.randn(*s, generator=g) for s in ((dim, latent_dim), (dim,), (num, dim)))
    evidence = MultivariateNormal(b, w @ w.T + scale**2 * torch.eye(dim))
    precision = torch.eye(latent_dim) + w.T @ w / scale**2
    gain = torch.linalg.solve(precision, w.T) / scale**2
    exact = partial(Linear, weight=gain, bias=-gain @ b, scale=torch.linalg.inv(precision))
    spread = torch.linalg.inv(precision).diagonal().sqrt() * 1.3
    rough = partial(Linear, weight=0.8 * gain, bias=-0.7 * gain @ b, scale=spread)
    likelihood = partial(Linear, weight=w, bias=b, scale=torch.tensor(scale))

    def densities(posterior):
        return single_layer(
            Spec((dim,), Support.REAL),
            latent_dim,
            StandardNormal,
            lambda p, e: posterior(p, e),
            lambda p, e: likelihood(p, e),
        )

    return SimpleNamespace(x=x, w=w, b=b, evidence=evidence, exact=densities(exact), rough=densities(rough))


def small_cvae(spec=LABELLED, **options):
    """The same with a label, whose prior is learned."""
    prior = options.pop("prior", partial(Head, net=mlp(5), family=DiagonalNormal))
    return small_densities(spec, prior=prior, **options)


def small_gsnn(spec=LABELLED, **options):
    """The same without a posterior."""
    head = partial(Head, net=mlp(5), family=DiagonalNormal)
    likelihood = partial(Head, net=mlp(5), family=Bernoulli)
    parts = {"prior": head, "posterior": None, "likelihood": likelihood} | options
    return stochastic_network(spec, 2, **parts)


def regression(spec=LABELLED, family=Bernoulli):
    return regression_layer(spec, None, None, partial(Head, net=mlp(5), family=family))


def predict(densities, *given):
    """p(x | c) of a model without latents."""
    return densities.likelihood_of(densities.imagine((), *given), *given)


def start(densities, mean):
    """Starts from data with this mean, one datum of which is the mean."""
    densities.initialise(Batch(mean[None]), mean)


class Bits(DataModule):
    """130 + 25 + 20 random rows of 6 bits: a training epoch of 13 steps at batch size 10."""

    def header(self):
        return BITS

    def load(self):
        bits = (np.random.default_rng(0).random((175, 6)) < 0.3).astype(np.uint8)
        arrays = [Arrays(part, levels=2) for part in np.split(bits, [130, 155])]
        return Splits(*arrays)


class LabelledBits(DataModule):
    """The same, each with one of 3 classes, which is the number of its bits up to 2."""

    def header(self):
        return CLASSES

    def load(self):
        train, val, test = Bits().load()
        label = lambda part: Arrays(part.x, part.x.sum(1).clip(max=2).astype(np.int64), levels=2)  # noqa: E731
        return Splits(label(train), label(val), label(test))


def data_for(model):
    """Bits with the conditions or labels that the model asks for, few of them for one that names classes."""
    options, spec = {"batch_size": 10, "eval_batch_size": 10}, model.densities.spec
    if isinstance(model.densities, Classifying):
        options |= {"num_labelled": 30, "labelled_batch_size": 4}
    elif spec.given:
        options |= {"given": "labels"}
    return Bits(**options) if spec.num_classes is None else LabelledBits(**options)


def adam(**options):
    return partial(torch.optim.Adam, **({"lr": 1e-2, "fused": True} | options))


def small_vae(**options):
    torch.manual_seed(11)
    return VAE(densities=small_densities(), **({"optimizer": adam()} | options))


def fit(model, resume=None, data=None, **options):
    """Fits silently on the CPU; returns the trainer."""
    silent = {"enable_progress_bar": False, "accelerator": "cpu"}
    options = {"enable_checkpointing": False, "log_every_n_steps": 5} | options
    if any(isinstance(callback, Checkpoint) for callback in options.get("callbacks", [])):
        options["enable_checkpointing"] = True
    trainer = make_trainer(**(silent | options))
    trainer.fit(model, data or data_for(model), ckpt_path=resume)
    return trainer


def weights(model):
    return torch.cat([t.detach().double().flatten() for t in model.state_dict().values()])


@contextmanager
def refused(match):
    """What runs within is refused, and the sentence that a user reads, with its ways out, matches."""
    with pytest.raises(ValueError) as info:  # noqa: PT011 -- matched below, as the command line says it
        yield
    sentence = sentence_of(info.value) if isinstance(info.value, Refusal) else str(info.value)
    assert re.search(match, sentence), f"{match!r} is not in {sentence!r}"
