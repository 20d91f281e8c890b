import pytest
import torch

from elbolab.distributions.discretised import DiscretisedLogistic, log_logistic_bin
from elbolab.distributions.grey import LogisticMixtureFamily
from elbolab.distributions.logistic_mixture import Components, LogisticMixture

LEVELS = 16


def components(num, channels, *positions, coupled=True):
    pairs = channels * (channels - 1) // 2
    return Components(
        torch.randn(2, num, *positions),
        torch.rand(2, num, channels, *positions),
        torch.rand(2, num, channels, *positions) / 10 + 0.02,
        torch.randn(2, num, pairs, *positions).tanh() * coupled,
    )


def levels(*shape):
    return torch.randint(LEVELS, shape) / (LEVELS - 1)


def test_one_component_is_a_discretised_logistic():
    parts = components(1, 3, 2, 2, coupled=False)
    x = levels(2, 3, 2, 2)
    expected = DiscretisedLogistic(parts.loc[:, 0], parts.scale[:, 0], LEVELS)
    p = LogisticMixture(parts, (3, 2, 2), LEVELS)
    assert torch.allclose(p.log_prob(x), expected.log_prob(x).sum((1, 2, 3)))
    assert torch.allclose(p.mean, expected.mean)


def test_equal_components_are_one():
    parts = components(1, 1, 5)
    many = Components(*(part.repeat_interleave(4, 1) for part in parts))
    x = levels(2, 5)
    one = LogisticMixture(parts, (5,), LEVELS)
    assert torch.allclose(LogisticMixture(many, (5,), LEVELS).log_prob(x), one.log_prob(x))


def test_coupling_is_the_one_of_pixelcnn():
    # Written out for three channels in the paper's units, x in [-1, 1].
    parts = components(4, 3, 1, 1)
    x = levels(2, 3, 1, 1)
    red, green, blue = (2 * x[:, c, 0, 0].unsqueeze(1) - 1 for c in range(3))
    loc, scale, (a, b, c) = 2 * parts.loc[..., 0, 0] - 1, parts.scale[..., 0, 0], parts.coupling[..., 0, 0].unbind(2)
    locs = [loc[:, :, 0], loc[:, :, 1] + a * red, loc[:, :, 2] + b * red + c * green]
    log_bins = [
        log_logistic_bin((value + 1) / 2, (at + 1) / 2, scale[:, :, i], LEVELS)
        for i, (value, at) in enumerate(zip((red, green, blue), locs, strict=True))
    ]
    expected = torch.logsumexp(parts.logits[..., 0, 0].log_softmax(1) + sum(log_bins), 1)
    assert torch.allclose(LogisticMixture(parts, (3, 1, 1), LEVELS).log_prob(x), expected)


def test_mean_with_coupling_is_the_mean_of_draws_away_from_the_edges():
    parts = components(3, 3, 1, 1)
    inside = parts._replace(loc=0.45 + parts.loc / 10, scale=0.01 + 0 * parts.scale)
    p = LogisticMixture(inside, (3, 1, 1), 256)
    assert torch.allclose(p.sample((40_000,)).mean(0), p.mean, atol=0.003)


def test_channels_share_their_component():
    # Two far components: all channels are dark or all are bright.
    parts = components(2, 3, 4, coupled=False)
    loc = torch.tensor([0.1, 0.9]).view(1, 2, 1, 1).expand_as(parts.loc)
    p = LogisticMixture(Components(0 * parts.logits, loc, 0 * parts.scale + 0.01, parts.coupling), (3, 4), LEVELS)
    bright = p.sample((100,)) > 0.5
    assert torch.equal(bright.all(2), bright.any(2))
    assert 0.3 < bright.to(torch.get_default_dtype()).mean() < 0.7
    assert not torch.equal(bright.all(-1), bright.any(-1))


@pytest.mark.parametrize(("event", "out"), [((1, 4, 5), (30, 4, 5)), ((3, 4, 5), (100, 4, 5)), ((7,), (210,))])
def test_numbers_per_position(event, out):
    assert LogisticMixtureFamily(event, 256, 10).out_shape == out


def test_coupling_is_bounded():
    raw = torch.full(LogisticMixtureFamily((3, 1, 1), 256, 2).out_shape, 50.0)
    assert LogisticMixtureFamily((3, 1, 1), 256, 2)(raw).components.coupling.max() == 1


def test_needs_a_component():
    with pytest.raises(ValueError, match="num_components=0"):
        LogisticMixtureFamily((3,), 256, 0)
