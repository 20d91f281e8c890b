from functools import partial
from math import log, pi, prod

import pytest
import torch
from tests.distributions.registry import POSTERIORS
from torch import nn

from elbolab.distributions.conditional import Head, Ignore, StandardNormal
from elbolab.distributions.family import Bernoulli, DiagonalNormal
from elbolab.nets.mlp import MLP
from elbolab.nets.precision import autocast_nets

NET = partial(MLP, hidden=[5], activation="Tanh", init="glorot")


class Zero(nn.Module):
    """A network whose output is 0."""

    def __init__(self, in_shapes, out_shape):
        super().__init__()
        self.out_shape = out_shape

    def forward(self, *inputs):
        return inputs[0].new_zeros(len(inputs[0]), *self.out_shape)


def test_leading_dimensions_of_parents_broadcast():
    head = Head(((2,), (1, 3)), (4,), NET, DiagonalNormal)
    z, given = torch.randn(6, 5, 2), torch.randn(5, 1, 3)
    p = head(z, given)
    assert (p.batch_shape, p.event_shape) == ((6, 5), (4,))
    assert torch.allclose(p.mean[3, 2], head(z[3, 2:3], given[2:3]).mean[0])


def test_starts_from_the_mean_on_request():
    mean = torch.rand(4) / 2 + 0.25
    head = Head(((2,),), (4,), Zero, Bernoulli, init_to_mean=True)
    head.initialise_to_mean(mean)
    assert torch.allclose(head(torch.randn(3, 2)).mean, mean.expand(3, 4))
    plain = Head(((2,),), (4,), Zero, Bernoulli)
    plain.initialise_to_mean(mean)
    assert torch.equal(plain(torch.randn(3, 2)).mean, torch.full((3, 4), 0.5))


def test_needs_a_parent():
    with pytest.raises(ValueError, match="standard_normal"):
        Head((), (4,), NET, DiagonalNormal)


def test_reduced_precision_stays_inside_the_net():
    head = Head(((2,),), (4,), NET, DiagonalNormal).float()
    x = torch.randn(3, 2, dtype=torch.float32)
    with autocast_nets(torch.bfloat16):
        reduced = head(x).mean
    assert reduced.dtype is torch.float32
    assert not torch.equal(reduced, head(x).mean)
    assert torch.allclose(reduced, head(x).mean, atol=0.05)


@pytest.mark.parametrize("lead", [(), (3,), (2, 3)])
def test_standard_normal_draws_for_every_row(lead):
    p = StandardNormal(((2,),), (4,))(torch.zeros(*lead, 2))
    assert p.batch_shape == lead
    assert torch.allclose(p.log_prob(torch.zeros(4)), torch.tensor(-2 * log(2 * pi)))
    assert len(p.sample().reshape(-1, 4).unique(dim=0)) == prod(lead)


def test_ignore_keeps_the_first_parents():
    q = Ignore(((2,), (3,)), (4,), partial(Head, net=NET, family=DiagonalNormal), keep=1)
    x = torch.randn(5, 2)
    assert torch.equal(q(x, torch.zeros(5, 3)).mean, q(x, torch.ones(5, 3)).mean)


@pytest.mark.parametrize("lead", [(), (5,), (2, 5)])
@pytest.mark.parametrize("name", POSTERIORS)
def test_a_posterior_reads_each_row_alone_and_hands_gradients_to_it(name, lead):
    q = POSTERIORS[name](((6,), (3,)), (4,)).eval()
    x, c = torch.randn(*lead, 6, requires_grad=True), torch.randn(*lead, 3)
    p = q(x, c)
    assert (p.batch_shape, p.event_shape) == (lead, (4,))
    assert p.rsample((3,)).shape == (3, *lead, 4)
    alone = [q(one, other).mean for one, other in zip(x.reshape(-1, 6), c.reshape(-1, 3), strict=True)]
    torch.testing.assert_close(p.mean.reshape(-1, 4), torch.stack(alone))
    (gradient,) = torch.autograd.grad(p.rsample().sum(), x)
    assert (gradient != 0).all()
