from math import prod

import pytest
import torch
from tests.distributions.registry import NEED_PARENTS, PRIORS, PRIORS_WITHOUT_DENSITY
from tests.helpers import refused
from torch.distributions import Bernoulli, Independent, Normal, kl_divergence

from elbolab.densities.latents import Latent
from elbolab.distributions.priors import ClassCentres, FixedBernoulli, Mixture


def over(*without):
    return pytest.mark.parametrize("name", [name for name in PRIORS if not any(name in names for names in without)])


def make(name, parents):
    recipe, event = PRIORS[name]
    return recipe(parents, event)


@pytest.mark.parametrize("lead", [(), (5,), (2, 5)])
@over()
def test_every_row_of_the_parents_has_its_own_draw(name, lead):
    """One draw for each row, also where all rows have the same parent."""
    p, event = make(name, ((3,),))(torch.eye(3)[0].expand(*lead, 3)), PRIORS[name][1]
    assert (p.batch_shape, p.event_shape) == (lead, event)
    for z in (p.sample(), p.rsample() if p.has_rsample else p.sample()):
        assert z.shape == (*lead, *event)
        assert len(z.reshape(-1, *event).unique(dim=0)) == prod(lead)
    assert len(p.sample((3,)).reshape(-1, *event).unique(dim=0)) == 3 * prod(lead)


@pytest.mark.parametrize("lead", [(), (5,), (2, 5)])
@over(PRIORS_WITHOUT_DENSITY)
def test_the_density_of_a_row_is_that_of_its_parent(name, lead):
    prior, event = make(name, ((3,),)), PRIORS[name][1]
    rows = torch.eye(3)[torch.arange(prod(lead)) % 3]
    p = prior(rows.view(*lead, 3))
    z = p.sample((4,))
    alone = [prior(row).log_prob(one) for row, one in zip(rows, z.reshape(4, -1, *event).unbind(1), strict=True)]
    torch.testing.assert_close(p.log_prob(z).reshape(4, -1), torch.stack(alone, 1))


@pytest.mark.parametrize("name", sorted(PRIORS_WITHOUT_DENSITY))
def test_what_has_no_density_says_so(name):
    with pytest.raises(NotImplementedError, match="no density"):
        make(name, ())().log_prob(torch.zeros(PRIORS[name][1]))


@over(NEED_PARENTS)
def test_without_parents_it_is_one_distribution(name):
    p = make(name, ())()
    assert p.batch_shape == ()
    assert len(p.sample((7,)).unique(dim=0)) == 7


@pytest.mark.parametrize("name", sorted(NEED_PARENTS))
def test_what_reads_its_parents_needs_some(name):
    with pytest.raises(ValueError, match="data.given=labels"):
        make(name, ())


def test_every_class_has_a_centre_of_its_own():
    prior = ClassCentres(((3,),), (4,), spread=1.0)
    labels = torch.eye(3)[torch.tensor([[2, 0], [1, 1]])]
    p = prior(labels)
    assert p.batch_shape == (2, 2)
    assert torch.equal(p.mean[0, 0], prior.centres[2])
    z = torch.randn(7, 2, 2, 4)
    expected = Independent(Normal(prior.centres[torch.tensor([[2, 0], [1, 1]])], 1.0), 1)
    torch.testing.assert_close(p.log_prob(z), expected.log_prob(z))
    torch.testing.assert_close(kl_divergence(expected, p), torch.zeros(2, 2))


def test_a_centre_learns_from_the_data_of_its_class_alone():
    prior = ClassCentres(((3,),), (4,), spread=1.0)
    q = Independent(Normal(torch.randn(2, 4), 1.0), 1)
    kl_divergence(q, prior(torch.eye(3)[:2])).sum().backward()
    assert (prior.centres.grad != 0).all(1).tolist() == [True, True, False]
    torch.testing.assert_close(prior.centres.grad[:2], prior.centres.detach()[:2] - q.mean)


def test_without_spread_every_class_starts_from_n_0_i():
    p = ClassCentres(((3,),), (4,), spread=0.0)(torch.eye(3))
    assert torch.equal(p.mean, torch.zeros(3, 4))


def test_a_mixture_of_one_is_a_gaussian():
    prior = Mixture((), (4,), num_components=1, spread=1.0)
    with torch.no_grad():
        prior.log_scale.copy_(torch.randn(1, 4))
    z = torch.randn(7, 4)
    expected = Independent(Normal(prior.loc[0], prior.log_scale[0].exp()), 1)
    assert torch.allclose(prior().log_prob(z), expected.log_prob(z))
    assert torch.allclose(prior().mean, expected.mean)


def test_a_mixture_integrates_to_one():
    prior = Mixture((), (1,), num_components=5, spread=2.0)
    with torch.no_grad():
        prior.logits.copy_(torch.randn(5))
    z = torch.linspace(-30, 30, 10_001).unsqueeze(1)
    assert torch.allclose(prior().log_prob(z).exp().sum() * 60 / 10_000, torch.ones(()))


def test_every_parameter_of_a_mixture_learns_through_its_one_sample_kl():
    prior = Mixture((), (4,), num_components=3, spread=1.0)
    q = Independent(Normal(torch.randn(6, 4), 1.0), 1)
    Latent(q.rsample((2,)), q, prior()).kl.sum().backward()
    for name, parameter in prior.named_parameters():
        assert (parameter.grad != 0).all(), name


def test_components_start_apart():
    assert len(Mixture((), (4,), num_components=3, spread=1.0).loc.unique(dim=0)) == 3


def test_fixed_bernoulli_keeps_its_probability():
    prior = FixedBernoulli((), (4,), probability=0.2)
    assert torch.allclose(prior().mean, torch.tensor(0.2))
    assert kl_divergence(Independent(Bernoulli(torch.full((4,), 0.2)), 1), prior()) == pytest.approx(0)
    assert not list(prior.parameters())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Mixture((), (4,), 0, 1.0), "num_components=0"),
        (lambda: Mixture((), (4,), 1, -1.0), "spread=-1.0"),
        (lambda: FixedBernoulli((), (4,), 1.0), r"probability=1\.0"),
        (
            lambda: ClassCentres((), (4,), 1.0),
            "class labels.*shapes.*set data.given=labels, or choose prior=",
        ),
        (lambda: ClassCentres(((3,), (3,)), (4,), 1.0), "data.given=labels"),
        (lambda: ClassCentres(((1, 8, 8),), (4,), 1.0), "data.given=labels"),
        (lambda: ClassCentres(((3,),), (4,), -1.0), "spread=-1.0"),
    ],
)
def test_bad_options(make, message):
    with refused(message):
        make()
