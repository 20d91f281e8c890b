import re

import pytest
import torch
from tests.distributions.registry import CORRUPTIONS
from tests.helpers import refused
from torch.distributions import Distribution

from elbolab.batch import Spec, Support
from elbolab.common.refusal import Refusal
from elbolab.distributions.conditional import Conditional
from elbolab.distributions.corruption import (
    Denoising,
    bit_flip,
    check_corruptions,
    gaussian_noise,
    im2017,
    masking,
    salt_and_pepper,
)
from elbolab.distributions.point_mass import PointMass

REPLACING = (masking, salt_and_pepper, bit_flip, im2017)


class Sees(Conditional):
    """All parents, side by side."""

    def __init__(self, parents, event):
        super().__init__()

    def forward(self, *parents: torch.Tensor) -> Distribution:
        return PointMass(torch.cat(parents, -1), 1)


def share(mask):
    return mask.to(torch.get_default_dtype()).mean().item()


@pytest.fixture
def x():
    return torch.full((200, 100), 0.3)


def test_masking_sets_its_share_to_0(x):
    y = masking(0.25)(x)
    assert share(y == 0) == pytest.approx(0.25, abs=0.02)
    assert share(y == 0.3) == pytest.approx(0.75, abs=0.02)


def test_salt_and_pepper_are_equally_many(x):
    y = salt_and_pepper(0.4)(x)
    assert share(y == 0) == pytest.approx(0.2, abs=0.02)
    assert share(y == 1) == pytest.approx(0.2, abs=0.02)
    assert share(y == 0.3) == pytest.approx(0.6, abs=0.02)


def test_the_noise_of_im2017_replaces_by_ones_as_rarely_as_it_replaces(x):
    y = im2017(0.2)(x)
    assert share(y == 1) == pytest.approx(0.04, abs=0.01)
    assert share(y == 0) == pytest.approx(0.16, abs=0.02)
    assert share(y == 0.3) == pytest.approx(0.8, abs=0.02)


def test_bit_flip_keeps_binary_data_binary():
    x = torch.zeros(200, 100)
    assert share(bit_flip(0.1)(x) == 1) == pytest.approx(0.1, abs=0.02)
    assert share(bit_flip(0.1)(1 - x) == 0) == pytest.approx(0.1, abs=0.02)


def test_gaussian_noise_has_its_scale(x):
    noise = gaussian_noise(0.5)(x) - x
    assert noise.mean().item() == pytest.approx(0, abs=0.02)
    assert noise.std().item() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_rows_differ_and_the_input_is_left_alone(name, x):
    before = x.clone()
    y = CORRUPTIONS[name]()(x)
    assert torch.equal(x, before)
    assert not torch.equal(y[0], y[1])


@pytest.mark.parametrize("make", [gaussian_noise, *REPLACING])
def test_no_corruption_is_the_identity(make, x):
    assert torch.equal(make(0.0)(x), x)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_denoising_corrupts_x_while_training_and_nothing_else(name):
    q = Denoising(((50,), (5,)), (55,), CORRUPTIONS[name], Sees)
    x, given = torch.full((3, 50), 0.3), torch.rand(3, 5)
    seen = q(x, given).mean
    assert not torch.equal(seen[:, :50], x)
    assert torch.equal(seen[:, 50:], given)
    assert not torch.equal(q(x, given).mean, seen)
    assert torch.equal(q.eval()(x, given).mean, torch.cat([x, given], 1))


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_repeated_rows_have_their_own_noise(name):
    """Also where they share memory."""
    y = CORRUPTIONS[name]()(torch.full((4, 100), 0.3).expand(3, 4, 100))
    assert len(y.flatten(0, 1).unique(dim=0)) == 12


def test_a_denoising_encoder_without_a_corruption():
    with refused("needs a corruption: choose corruption=bit_flip, or choose model=vae or ae"):
        Denoising(((50,),), (50,), None, Sees)


@pytest.mark.parametrize("make", REPLACING)
@pytest.mark.parametrize("probability", [-0.1, 1.1])
def test_bad_probabilities(make, probability):
    with pytest.raises(ValueError, match="probability"):
        make(probability)


def test_bad_scale():
    with pytest.raises(ValueError, match="scale=-1"):
        gaussian_noise(-1)


FITTING = {
    "gaussian_noise": set(Support),
    "masking": set(Support),
    "salt_and_pepper": {Support.BINARY, Support.UNIT},
    "bit_flip": {Support.BINARY},
    "im2017": {Support.BINARY},
}


@pytest.mark.parametrize("support", Support)
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_noise_of_other_data_is_refused_with_what_to_choose(name, support):
    """Also where the corruption is part of an encoder; what is named to choose is not refused itself."""
    spec, q = Spec((50,), support), Denoising(((50,),), (50,), CORRUPTIONS[name], Sees)
    if support in FITTING[name]:
        check_corruptions(q, spec)
        return
    with pytest.raises(
        Refusal, match=f"{name} is a corruption of binary data.* are {re.escape(support.words)}"
    ) as caught:
        check_corruptions(q, spec)
    (way,) = caught.value.ways
    assert way.group == "corruption"
    assert [option for option in way.options if support not in FITTING[option]] == []
