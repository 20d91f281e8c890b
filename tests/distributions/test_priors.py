import pytest
import torch
from torch.distributions import Bernoulli, Independent, Normal, kl_divergence

from elbolab.densities.terms import Sampled
from elbolab.distributions.priors import ClassCentres, FixedBernoulli, Mixture

PRIORS = {
    "mixture": lambda parents: Mixture(parents, (4,), num_components=3, spread=1.0),
    "bernoulli": lambda parents: FixedBernoulli(parents, (4,), probability=0.5),
}


@pytest.mark.parametrize("make", PRIORS.values(), ids=PRIORS)
@pytest.mark.parametrize("lead", [(), (5,), (2, 5)])
def test_every_row_of_the_parents_has_its_own_draw(make, lead):
    p = make(((2,),))(torch.zeros(*lead, 2))
    z = p.sample((3,))
    assert p.batch_shape == lead
    assert z.shape == (3, *lead, 4)
    assert p.log_prob(z).shape == (3, *lead)
    assert len(z.reshape(-1, 4).unique(dim=0)) > 1


@pytest.mark.parametrize("make", PRIORS.values(), ids=PRIORS)
def test_without_parents_it_is_one_distribution(make):
    assert make(())().batch_shape == ()


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
    Sampled(q.rsample((2,)), q, prior()).kl.sum().backward()
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
        (lambda: ClassCentres((), (4,), 1.0), "class_centres has a centre for each class.*data.given=labels"),
        (lambda: ClassCentres(((3,), (3,)), (4,), 1.0), "data.given=labels"),
        (lambda: ClassCentres(((1, 8, 8),), (4,), 1.0), "data.given=labels"),
        (lambda: ClassCentres(((3,),), (4,), -1.0), "spread=-1.0"),
    ],
)
def test_bad_options(make, message):
    with pytest.raises(ValueError, match=message):
        make()
