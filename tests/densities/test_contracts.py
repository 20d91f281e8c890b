"""What holds for every density: shapes, gradients everywhere, independent rows, clear refusals."""

from functools import partial

import pytest
import torch
from tests.densities.registry import (
    DENSITIES,
    WITHOUT_BOUND,
    WITHOUT_DENSITY,
    WITHOUT_NOISE,
    WITHOUT_PRIOR,
    all_but,
    autoencoder,
    head,
    tied,
)
from tests.helpers import BITS, LABELLED, mlp, refused, small_densities, start
from torch.distributions import Independent, Normal

from elbolab.batch import Spec, Support
from elbolab.densities.checks import example_terms
from elbolab.densities.latents import Latent, Undefined, centre
from elbolab.densities.layer import single_layer
from elbolab.densities.terms import summary
from elbolab.densities.tied import tied_autoencoder
from elbolab.distributions.conditional import StandardNormal
from elbolab.distributions.corruption import Denoising, masking
from elbolab.distributions.family import Bernoulli, DiagonalNormal
from elbolab.distributions.grey import CategoricalFamily, DiscretisedLogisticFamily, LogisticMixtureFamily
from elbolab.distributions.point_mass import Deterministic, PointMass
from elbolab.distributions.priors import FixedBernoulli
from elbolab.distributions.relaxed import RelaxedBernoulliLatent


def data(densities, num=4):
    x = torch.randint(2, (num, 6)).float()
    return x, *(torch.eye(*shape)[torch.arange(num) % shape[0]] for shape in densities.spec.given)


def one_datum(densities, num):
    """The same datum under the same condition, ``num`` times."""
    return [tensor[:1].expand(num, -1) for tensor in data(densities)]


def over(*without):
    return pytest.mark.parametrize("name", all_but(*without))


@pytest.mark.parametrize("sample_shape", [(), (3,), (2, 3)])
@pytest.mark.parametrize("training", [True, False])
@over(WITHOUT_DENSITY)
def test_quantities_have_one_number_a_draw_and_datum(name, sample_shape, training):
    densities = DENSITIES[name]().train(training)
    terms = densities.terms(*data(densities), shape=sample_shape)
    assert terms.log_lik.shape == terms.distortion.shape == (*sample_shape, 4)
    assert all(latent.z.shape[: len(sample_shape) + 1] == (*sample_shape, 4) for latent in terms.latents)


@pytest.mark.parametrize("sample_shape", [(), (3,), (2, 3)])
@pytest.mark.parametrize("training", [True, False])
@over(WITHOUT_DENSITY, WITHOUT_BOUND)
def test_a_rate_has_one_number_a_draw_and_datum(name, sample_shape, training):
    densities = DENSITIES[name]().train(training)
    assert densities.terms(*data(densities), shape=sample_shape).rate.shape == (*sample_shape, 4)


@over(WITHOUT_DENSITY, WITHOUT_BOUND)
def test_evaluation_knows_bound_and_weight_of_every_model_with_a_rate(name):
    densities = DENSITIES[name]().eval()
    terms = densities.terms(*data(densities), shape=(3,))
    assert terms.elbo.shape == terms.log_weight.shape == (3, 4)
    assert set(summary(terms)) == {"elbo", "rate", "distortion", *terms.layer_rates}


@pytest.mark.parametrize("name", sorted(WITHOUT_BOUND))
@pytest.mark.parametrize("training", [True, False])
def test_a_model_without_a_rate_has_a_distortion_and_nothing_else(name, training):
    densities = DENSITIES[name]().train(training)
    terms = densities.terms(*data(densities))
    assert set(summary(terms)) == {"distortion"}
    for quantity in ("rate", "elbo", "log_weight"):
        with pytest.raises(Undefined, match="no (rate|importance weight)"):
            getattr(terms, quantity)


@over(WITHOUT_DENSITY)
def test_every_parameter_has_a_gradient(name):
    densities = DENSITIES[name]().train()
    terms = densities.terms(*data(densities))
    cost = terms.distortion if name in WITHOUT_BOUND else terms.distortion + terms.rate
    cost.sum().backward()
    for key, parameter in densities.named_parameters():
        assert (parameter.grad is None) == (not parameter.requires_grad), key  # of what is frozen
        assert parameter.grad is None or parameter.grad.isfinite().all(), key


@over(WITHOUT_DENSITY)
def test_codes_and_reconstructions_have_the_shapes_of_latents_and_data(name):
    densities = DENSITIES[name]().eval()
    x, *given = data(densities)
    z = densities.encode(x, *given)
    assert z.shape == (4, *densities.latent_shape)
    assert densities.decode(z, *given).mean.shape == x.shape


@pytest.mark.parametrize("training", [True, False])
@over(WITHOUT_DENSITY, WITHOUT_NOISE, {"binary"})
def test_every_row_draws_its_own_latents(name, training):
    densities = DENSITIES[name]().train(training)
    z = densities.terms(*one_datum(densities, 8), shape=(2,)).latents[-1].z
    assert len(z.flatten(0, 1).unique(dim=0)) == 16


def test_every_row_draws_its_own_bits():
    """Two bits of 64 rows, which are hard in evaluation: all four pairs occur."""
    densities = DENSITIES["binary"]().eval()
    z = densities.terms(*one_datum(densities, 64)).latents[0].z
    assert len(z.unique(dim=0)) == 4


@pytest.mark.parametrize("name", sorted(WITHOUT_NOISE))
def test_a_datum_has_one_distortion_where_a_code_has_no_noise(name):
    densities = DENSITIES[name]().eval()
    terms = densities.terms(*one_datum(densities, 4), shape=(3,))
    torch.testing.assert_close(terms.log_lik, terms.log_lik[:1, :1].expand(3, 4))


@pytest.mark.parametrize("name", sorted(WITHOUT_DENSITY))
def test_what_says_nothing_of_x_has_codes_alone(name):
    densities = DENSITIES[name]().eval()
    x, *given = data(densities)
    assert densities.encode(x, *given).shape == (4, *densities.latent_shape)
    for use in (lambda: densities.terms(x), lambda: densities.generate(3), lambda: densities.decode(x)):
        with pytest.raises(Undefined):
            use()


@over(WITHOUT_DENSITY, WITHOUT_PRIOR, {"regression", "binary"})
def test_every_generated_datum_has_its_own_latents(name):
    """Under conditions the batch shape is (draws, conditions)."""
    densities = DENSITIES[name]().eval()
    given = one_datum(densities, 4)[1:]
    p = densities.generate(5, *given)
    lead = (5, 4) if given else (5,)
    assert p.batch_shape == lead
    assert p.mean.shape == (*lead, 6)
    assert len(p.mean.reshape(-1, 6).unique(dim=0)) == p.batch_shape.numel()


@pytest.mark.parametrize("name", sorted(WITHOUT_PRIOR))
def test_nothing_is_generated_without_a_prior(name):
    with pytest.raises(Undefined, match="no prior"):
        DENSITIES[name]().generate(3)


def test_a_regression_generates_what_the_condition_says():
    p = DENSITIES["regression"]().generate(5, torch.eye(3))
    assert p.batch_shape == (5, 3)
    torch.testing.assert_close(p.mean, p.mean[:1].expand(5, 3, 6))


def test_a_relaxed_draw_has_a_rate_but_no_elbo_and_no_distortion():
    """Its KL is that between the discrete variables; the likelihood is asked where the model never draws."""
    terms = DENSITIES["binary"]().train().terms(torch.ones(4, 6))
    assert set(summary(terms)) == {"rate"}
    with pytest.raises(Undefined, match="relaxed"):
        _ = terms.elbo


def test_kl_per_dim_sums_to_the_rate():
    terms = small_densities().terms(torch.ones(4, 6))
    torch.testing.assert_close(terms.latents[0].kl_per_dim.sum(-1), terms.rate)


def test_kl_per_dim_does_not_exist_where_q_or_p_does_not_factorise():
    for name in ("full", "mixture"):
        with pytest.raises(Undefined, match="factorise"):
            _ = DENSITIES[name]().terms(torch.ones(4, 6)).latents[0].kl_per_dim


@over(WITHOUT_DENSITY)
def test_terms_are_the_scores_of_what_is_inferred(name):
    densities = DENSITIES[name]().eval()
    x, *given = data(densities)
    torch.manual_seed(3)
    terms = densities.terms(x, *given, shape=(5,))
    torch.manual_seed(3)
    scored = densities.score(x, densities.infer(x, *given, shape=(5,)), *given)
    assert torch.equal(terms.log_lik, scored.log_lik)


@over(WITHOUT_DENSITY, WITHOUT_PRIOR)
def test_what_is_known_from_the_top_is_not_drawn_again(name):
    """Codes are decoded, and classes held, by handing in the uppermost latents."""
    densities = DENSITIES[name]().eval()
    _, *given = data(densities)
    latents = densities.imagine((), *given)
    for num in range(len(latents) + 1):
        top = tuple(latent.z for latent in latents[:num])
        again = densities.imagine((), *given, top=top)
        assert all(map(torch.equal, top, (latent.z for latent in again)))
        assert [latent.z.shape for latent in again] == [latent.z.shape for latent in latents]


@over(WITHOUT_DENSITY)
def test_the_centre_of_every_latent_is_drawn_without_noise(name):
    densities = DENSITIES[name]().eval()
    x, *given = data(densities)
    before = torch.get_rng_state()
    first, second = (densities.infer(x, *given, draw=centre) for _ in range(2))
    densities.decode(densities.encode(x, *given), *given)
    assert all(torch.equal(a.z, b.z) for a, b in zip(first, second, strict=True))
    assert torch.equal(before, torch.get_rng_state())


def test_tied_weights_are_one_matrix_in_both_directions():
    densities = tied()
    start(densities, torch.arange(6.0))
    x, w = torch.randn(4, 6), densities.posterior.tied.weight
    assert [name for name, _ in densities.named_parameters()] == ["posterior.tied.bias", "posterior.tied.weight"]
    torch.testing.assert_close(w @ w.T, torch.eye(2))
    z = (x - torch.arange(6.0)) @ w.T
    torch.testing.assert_close(densities.encode(x), z)
    torch.testing.assert_close(densities.decode(z).mean, z @ w + torch.arange(6.0))


def test_building_a_model_leaves_the_generator_to_its_weights():
    torch.manual_seed(0)
    small_densities()
    drawn = torch.rand(1)
    torch.manual_seed(0)
    parts = [mlp(5)(((6,),), (4,)), mlp(5)(((2,),), (6,))]
    assert len(parts) == 2
    assert torch.equal(drawn, torch.rand(1))


BAD = {
    "latent_dim=0": (lambda: small_densities(latent_dim=0), "latent_dim=0.*at least one"),
    "no likelihood": (
        lambda: single_layer(BITS, 2, StandardNormal, StandardNormal, None),
        "needs a likelihood.*likelihood=bernoulli",
    ),
    "no prior": (lambda: small_densities(prior=None), "needs a prior.*prior=standard_normal"),
    "prior of an autoencoder": (lambda: autoencoder(prior=StandardNormal), "no prior: choose prior=none"),
    "Bernoulli on grey": (
        lambda: small_densities(Spec((6,), Support.UNIT, 256)),
        "data.binarize=dynamic.*or choose likelihood=continuous_bernoulli",
    ),
    "Bernoulli on reals": (lambda: small_densities(Spec((6,), Support.REAL)), "likelihood=gaussian"),
    "binary posterior, normal prior": (
        lambda: small_densities(posterior=head(RelaxedBernoulliLatent, temperature=0.5, straight_through=False)),
        "leaves the support of the prior.*prior=bernoulli",
    ),
    "normal posterior, binary prior": (
        lambda: small_densities(prior=partial(FixedBernoulli, probability=0.5)),
        "leaves the support of the prior",
    ),
    "point mass with a prior": (
        lambda: small_densities(posterior=head(Deterministic)),
        "point mass.*choose model=ae, or choose posterior=diagonal_normal",
    ),
    "autoencoder of a density": (
        lambda: autoencoder(posterior=head(DiagonalNormal)),
        "posterior is a Normal: choose posterior=deterministic or denoising_deterministic",
    ),
    "autoencoder of bits": (
        lambda: autoencoder(posterior=head(RelaxedBernoulliLatent, temperature=0.5, straight_through=False)),
        "posterior is a Bernoulli: choose posterior=deterministic or denoising_deterministic",
    ),
    "autoencoder without an encoder": (
        lambda: autoencoder(posterior=None),
        "choose posterior=deterministic or denoising_deterministic",
    ),
    "tied with a posterior": (
        lambda: tied_autoencoder(BITS, 2, None, head(Deterministic), head(Bernoulli)),
        "choose posterior=none",
    ),
    "tied with conditions": (lambda: tied_autoencoder(LABELLED, 2, None, None, head(Bernoulli)), "data.given=none"),
}


@pytest.mark.parametrize("name", BAD)
def test_impossible_combinations_name_the_fix(name):
    build, message = BAD[name]
    with refused(message):
        build()


def test_a_denoising_encoder_is_a_code_too():
    posterior = partial(Denoising, corruption=partial(masking, probability=0.5), posterior=head(Deterministic))
    assert autoencoder(posterior=posterior).encode(torch.ones(4, 6)).shape == (4, 2)


def of_levels(family, data, levels, **options):
    return small_densities(Spec((6,), Support.UNIT, data), family=partial(family, levels=levels, **options))


FAMILIES = [CategoricalFamily, DiscretisedLogisticFamily, partial(LogisticMixtureFamily, num_components=2)]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("data", "levels"), [(17, 3), (17, 9), (17, 16), (17, 256), (256, 17)])
def test_data_off_the_levels_of_a_likelihood_are_refused_with_their_number(family, data, levels):
    """Also where the ends, or even every second level, are levels of both."""
    with refused(rf"{data} grey values.*set densities.likelihood.family.levels={data}, "):
        of_levels(family, data, levels)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("data", "levels"), [(2, 2), (17, 17), (256, 256), (17, 33)])
def test_data_on_the_levels_of_a_likelihood_are_taken(family, data, levels):
    assert of_levels(family, data, levels).spec.levels == data


def test_many_levels_are_told_apart():
    assert of_levels(DiscretisedLogisticFamily, 65_536, 65_536).spec.levels == 65_536
    with pytest.raises(ValueError, match="family.levels=20001"):  # the first 20 levels are 0 to a tolerance
        of_levels(DiscretisedLogisticFamily, 20_001, 2)


def test_only_families_of_levels_are_told_to_set_them():
    for build in (
        lambda: small_densities(Spec((6,), Support.UNIT, 17)),
        lambda: of_levels(CategoricalFamily, None, 17),
    ):
        with pytest.raises(ValueError, match="continuous_bernoulli or gaussian") as refusal:
            build()
        assert "densities.likelihood" not in str(refusal.value).partition("another likelihood")[0]


def test_what_has_no_density_has_no_importance_weight():
    relaxed = DENSITIES["binary"]().train().terms(torch.ones(4, 6))
    with pytest.raises(Undefined, match="no importance weight.*relaxed"):
        _ = relaxed.log_weight
    point = Latent(torch.zeros(4, 2), PointMass(torch.zeros(4, 2), 1), Independent(Normal(torch.zeros(2), 1.0), 1))
    for quantity in ("log_ratio", "kl"):
        with pytest.raises(Undefined, match="no importance weight.*point mass"):
            getattr(point, quantity)


def test_building_leaves_training_flags_and_generator_alone():
    densities = small_densities()
    densities.posterior.eval()
    state = torch.get_rng_state()
    terms = example_terms(densities)
    assert torch.equal(torch.get_rng_state(), state)
    assert densities.training
    assert densities.likelihood.training
    assert not densities.posterior.training
    assert terms.log_lik.shape == (1,)


def test_binary_latents_agree_with_enumeration(float64):
    """4 bits: the ELBO in mean, and the evidence by importance sampling, against sums over all 16 latents."""
    densities = (
        small_densities(
            latent_dim=4,
            prior=partial(FixedBernoulli, probability=0.3),
            posterior=head(RelaxedBernoulliLatent, temperature=0.5, straight_through=False),
        )
        .double()
        .eval()
    )
    x = torch.randint(2, (3, 6)).double()
    z = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 4)
    q, p = densities.posterior(x), densities.prior()
    log_q = q.log_prob(z[:, None].expand(16, 3, 4))
    log_p = p.log_prob(z)[:, None]
    log_lik = densities.decode(z[:, None].expand(16, 3, 4)).log_prob(x)
    kl = (log_q.exp() * (log_q - log_p)).sum(0)
    elbo = (log_q.exp() * (log_lik + log_p - log_q)).sum(0)
    terms = densities.terms(x, shape=(20_000,))
    torch.testing.assert_close(terms.rate[0], kl, rtol=0, atol=1e-9)
    error = (terms.elbo.mean(0) - elbo) / (terms.elbo.std(0) / 20_000**0.5)
    assert error.abs().max() < 5
    weights = (terms.log_weight - (log_lik + log_p).logsumexp(0)).exp()
    error = (weights.mean(0) - 1) / (weights.std(0) / 20_000**0.5)
    assert error.abs().max() < 5
