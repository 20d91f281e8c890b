"""What holds for every density: shapes, gradients everywhere, independent rows, clear refusals."""

from functools import partial

import pytest
import torch
from tests.helpers import BITS, mlp, regression, small_densities
from torch.distributions import Independent, Normal

from elbolab.batch import Spec, Support
from elbolab.densities.attributes import attribute_layer
from elbolab.densities.autoencoder import Autoencoder, TiedAutoencoder
from elbolab.densities.checks import example_terms
from elbolab.densities.denoising import DenoisingLayer
from elbolab.densities.recurrent import Recurrent
from elbolab.densities.single_layer import SingleLayer
from elbolab.densities.terms import Sampled, Undefined, summary
from elbolab.distributions.conditional import Head, Ignore, StandardNormal
from elbolab.distributions.corruption import Denoising, Masking
from elbolab.distributions.family import Bernoulli, DiagonalNormal
from elbolab.distributions.full_covariance import FullNormal
from elbolab.distributions.grey import Categorical, DiscretisedLogistic, LogisticMixture
from elbolab.distributions.location_scale import FixedScale
from elbolab.distributions.point_mass import Deterministic, PointMass
from elbolab.distributions.priors import ClassCentres, FixedBernoulli, Mixture
from elbolab.distributions.relaxed import RelaxedBernoulliLatent

GIVEN = BITS._replace(given=((3,),), given_is_label=True)


def head(family, **options):
    return partial(Head, net=mlp(5), family=partial(family, **options))


def autoencoder(spec=BITS, **changes):
    parts = {"prior": None, "posterior": head(Deterministic), "likelihood": head(Bernoulli)} | changes
    return Autoencoder(spec, 2, **parts)


DENSITIES = {
    "diagonal": small_densities,
    "full": lambda: small_densities(posterior=head(FullNormal, min_scale=1e-6)),
    "mixture": lambda: small_densities(prior=partial(Mixture, num_components=3, spread=1.0)),
    "binary": lambda: small_densities(
        prior=partial(FixedBernoulli, probability=0.5),
        posterior=head(RelaxedBernoulliLatent, temperature=0.5, straight_through=False),
    ),
    "given": lambda: small_densities(GIVEN),
    "learned prior": lambda: small_densities(GIVEN, prior=head(DiagonalNormal)),
    "class centres": lambda: small_densities(GIVEN, prior=partial(ClassCentres, spread=1.0)),
    "regression": lambda: regression(GIVEN),
    "recurrent": lambda: Recurrent(
        GIVEN, 2, head(DiagonalNormal), head(DiagonalNormal), head(Bernoulli), baseline=regression(GIVEN)
    ),
    "ignored condition": lambda: SingleLayer(
        GIVEN, 2, StandardNormal, head(DiagonalNormal), partial(Ignore, conditional=head(Bernoulli))
    ),
    "autoencoder": autoencoder,
    "denoising": lambda: DenoisingLayer(
        BITS, 2, StandardNormal, head(DiagonalNormal), head(Bernoulli), partial(Masking, probability=0.5)
    ),
    "attributes": lambda: attribute_layer(GIVEN, 2, head(DiagonalNormal), head(DiagonalNormal), head(Bernoulli)),
}


@pytest.fixture(params=DENSITIES)
def densities(request):
    return DENSITIES[request.param]()


def data(densities, num=4):
    x = torch.randint(2, (num, 6)).float()
    return x, *(torch.rand(num, *shape) for shape in densities.spec.given)


@pytest.mark.parametrize("sample_shape", [(), (3,), (2, 3)])
@pytest.mark.parametrize("training", [True, False])
def test_quantities_have_one_number_a_draw_and_datum(densities, sample_shape, training):
    terms = densities.train(training).terms(*data(densities), sample_shape=sample_shape)
    assert terms.log_lik.shape == (*sample_shape, 4)
    assert terms.distortion.shape == (*sample_shape, 4)
    if terms.latents:
        assert terms.rate.shape == (*sample_shape, 4)
        assert terms.latents[0].z.shape == (*sample_shape, 4, *densities.latent_shape)


def test_evaluation_knows_bound_and_weight_of_every_model_with_a_prior(densities):
    terms = densities.eval().terms(*data(densities), sample_shape=(3,))
    if terms.latents:
        assert terms.elbo.shape == terms.log_weight.shape == (3, 4)
        assert set(summary(terms)) == {"elbo", "rate", "distortion"}


def test_every_parameter_has_a_gradient(densities):
    terms = densities.train().terms(*data(densities))
    cost = terms.distortion.sum() + (terms.rate.sum() if terms.latents else 0)
    cost.backward()
    for name, parameter in densities.named_parameters():
        if not parameter.requires_grad:  # of what is frozen
            continue
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_codes_and_reconstructions_have_the_shapes_of_latents_and_data(densities):
    x, *given = data(densities.eval())
    z = densities.encode(x, *given)
    assert z.shape == (4, *densities.latent_shape)
    assert densities.decode(z, *given).mean.shape == x.shape


def test_rows_of_one_condition_draw_their_own_latents(densities):
    x, *given = data(densities.eval())
    given = [c[:1].expand(4, -1) for c in given]
    match densities.terms(x[:1].expand(4, -1), *given).latents:
        case (Sampled(z=z, q=q),) if q.has_rsample:
            assert len(z.unique(dim=0)) == 4


@pytest.mark.parametrize(
    "name", ["given", "learned prior", "class centres", "recurrent", "ignored condition", "attributes"]
)
def test_generated_rows_of_one_condition_differ(name):
    densities = DENSITIES[name]().eval()
    p = densities.generate(5, torch.ones(4, 3))
    assert p.batch_shape == (5, 4)
    assert len(p.mean.flatten(0, 1).unique(dim=0)) == 20


def test_generate_without_conditions_gives_num_draws():
    assert small_densities().generate(5).batch_shape == (5,)


def test_a_relaxed_draw_has_a_rate_but_no_elbo():
    terms = DENSITIES["binary"]().train().terms(torch.ones(4, 6))
    assert set(summary(terms)) == {"rate", "distortion"}
    with pytest.raises(Undefined, match="relaxed"):
        _ = terms.elbo


def test_an_autoencoder_has_a_distortion_and_nothing_else():
    densities = autoencoder()
    terms = densities.terms(torch.ones(4, 6))
    assert set(summary(terms)) == {"distortion"}
    for quantity in ("rate", "elbo", "log_weight"):
        with pytest.raises(Undefined, match="no prior"):
            getattr(terms, quantity)
    with pytest.raises(Undefined, match="no prior"):
        densities.generate(3)


def test_kl_per_dim_sums_to_the_rate():
    terms = small_densities().terms(torch.ones(4, 6))
    torch.testing.assert_close(terms.latents[0].kl_per_dim.sum(-1), terms.rate)


def test_kl_per_dim_does_not_exist_where_q_or_p_does_not_factorise():
    for name in ("full", "mixture"):
        with pytest.raises(Undefined, match="factorise"):
            _ = DENSITIES[name]().terms(torch.ones(4, 6)).latents[0].kl_per_dim


def test_a_proposal_takes_the_place_of_q():
    densities = small_densities()
    r = densities.posterior(torch.zeros(4, 6))
    terms = densities.terms(torch.ones(4, 6), sample_shape=(7,), proposal=r)
    assert terms.latents[0].q is r
    torch.testing.assert_close(
        terms.latents[0].log_ratio, densities.prior().log_prob(terms.latents[0].z) - r.log_prob(terms.latents[0].z)
    )


def tied():
    return TiedAutoencoder(Spec((6,), Support.REAL), 2, None, None, head(FixedScale, base=Normal, scale=1.0))


def test_tied_weights_are_one_matrix_in_both_directions():
    densities = tied()
    densities.initialise_to_mean(torch.arange(6.0))
    x, w = torch.randn(4, 6), densities.tied.weight
    assert [name for name, _ in densities.named_parameters()] == ["tied.bias", "tied.weight"]
    torch.testing.assert_close(w @ w.T, torch.eye(2))
    z = (x - torch.arange(6.0)) @ w.T
    torch.testing.assert_close(densities.encode(x), z)
    torch.testing.assert_close(densities.decode(z).mean, z @ w + torch.arange(6.0))


def test_a_tied_autoencoder_decodes_every_draw_of_a_proposal():
    densities, x = tied(), torch.randn(4, 6)
    proposal = Independent(Normal(torch.zeros(4, 2), torch.ones(4, 2)), 1)
    log_lik = densities.terms(x, sample_shape=(5,), proposal=proposal).log_lik
    assert len(log_lik[:, 0].unique()) == 5
    assert densities.terms(x, sample_shape=(5,)).log_lik.shape == (5, 4)


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
        lambda: SingleLayer(BITS, 2, StandardNormal, StandardNormal, None),
        "needs a likelihood.*likelihood=bernoulli",
    ),
    "no prior": (lambda: small_densities(prior=None), "needs a prior.*prior=standard_normal"),
    "prior of an autoencoder": (lambda: autoencoder(prior=StandardNormal), "no prior: choose prior=none"),
    "Bernoulli on grey": (
        lambda: small_densities(Spec((6,), Support.UNIT, 256)),
        "binarise.*or take likelihood=continuous_bernoulli",
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
        "point mass.*choose model=ae or posterior=diagonal_normal",
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
        lambda: TiedAutoencoder(BITS, 2, None, head(Deterministic), head(Bernoulli)),
        "choose posterior=none",
    ),
    "tied with conditions": (lambda: TiedAutoencoder(GIVEN, 2, None, None, head(Bernoulli)), "data.given=none"),
}


@pytest.mark.parametrize("name", BAD)
def test_impossible_combinations_name_the_mend(name):
    build, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        build()


def test_a_denoising_encoder_is_a_code_too():
    posterior = partial(Denoising, corruption=partial(Masking, probability=0.5), posterior=head(Deterministic))
    assert autoencoder(posterior=posterior).encode(torch.ones(4, 6)).shape == (4, 2)


def of_levels(family, data, levels, **options):
    return small_densities(Spec((6,), Support.UNIT, data), family=partial(family, levels=levels, **options))


FAMILIES = [Categorical, DiscretisedLogistic, partial(LogisticMixture, num_components=2)]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("data", "levels"), [(17, 3), (17, 9), (17, 16), (17, 256), (256, 17)])
def test_data_off_the_levels_of_a_likelihood_are_refused_with_their_number(family, data, levels):
    """Also where the ends, or even every second level, are levels of both."""
    with pytest.raises(ValueError, match=rf"{data} grey values.*set densities.likelihood.family.levels={data}, "):
        of_levels(family, data, levels)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("data", "levels"), [(2, 2), (17, 17), (256, 256), (17, 33)])
def test_data_on_the_levels_of_a_likelihood_are_taken(family, data, levels):
    assert of_levels(family, data, levels).spec.levels == data


def test_many_levels_are_told_apart():
    assert of_levels(DiscretisedLogistic, 65_536, 65_536).spec.levels == 65_536
    with pytest.raises(ValueError, match="family.levels=20001"):  # the first 20 levels are 0 to a tolerance
        of_levels(DiscretisedLogistic, 20_001, 2)


def test_only_families_of_levels_are_told_to_set_them():
    for build in (lambda: small_densities(Spec((6,), Support.UNIT, 17)), lambda: of_levels(Categorical, None, 17)):
        with pytest.raises(ValueError, match="likelihood=continuous_bernoulli") as refusal:
            build()
        assert "set densities" not in str(refusal.value)


def test_what_has_no_density_has_no_importance_weight():
    relaxed = DENSITIES["binary"]().train().terms(torch.ones(4, 6))
    with pytest.raises(Undefined, match="no importance weight.*relaxed"):
        _ = relaxed.log_weight
    point = Sampled(torch.zeros(4, 2), PointMass(torch.zeros(4, 2), 1), Independent(Normal(torch.zeros(2), 1.0), 1))
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
    terms = densities.terms(x, sample_shape=(20_000,))
    torch.testing.assert_close(terms.rate[0], kl, rtol=0, atol=1e-9)
    error = (terms.elbo.mean(0) - elbo) / (terms.elbo.std(0) / 20_000**0.5)
    assert error.abs().max() < 5
    weights = (terms.log_weight - (log_lik + log_p).logsumexp(0)).exp()
    error = (weights.mean(0) - 1) / (weights.std(0) / 20_000**0.5)
    assert error.abs().max() < 5
