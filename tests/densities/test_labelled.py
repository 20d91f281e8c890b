"""M2's density: exact sums over classes, and what is known where classes and latents can be enumerated."""

from functools import partial
from itertools import product

import pytest
import torch
from tests.helpers import BITS, mlp, refused, start
from torch.distributions import Bernoulli as Coins
from torch.distributions import Independent, kl_divergence

from elbolab.batch import Spec, Support, name_by_number
from elbolab.densities.class_terms import sum_over_classes
from elbolab.densities.classifier import classification
from elbolab.densities.labelled import labelled_layer
from elbolab.densities.latents import Undefined
from elbolab.distributions.conditional import Conditional, Head, Ignore, StandardNormal
from elbolab.distributions.corruption import Denoising, masking
from elbolab.distributions.family import Bernoulli, DiagonalNormal
from elbolab.distributions.one_hot import OneHot
from elbolab.distributions.priors import FixedBernoulli, Mixture
from elbolab.distributions.relaxed import RelaxedBernoulliLatent
from elbolab.evaluation.proposals import class_at, from_posterior, spread_class_probs

CLASSES = BITS._replace(classes=name_by_number(3))
HEAD = partial(Head, net=mlp(5))
NORMAL, CLASS, BIT = (partial(HEAD, family=family) for family in (DiagonalNormal, OneHot, Bernoulli))


def labelled(spec=CLASSES, **changes):
    parts = {"prior": StandardNormal, "posterior": NORMAL, "likelihood": BIT, "classifier": CLASS}
    return labelled_layer(spec, 2, **(parts | changes))


DENSITIES = {
    "q(z | x, y)": labelled,
    "q(z | x)": lambda: labelled(posterior_sees_conditions=False),
    "p(z | y)": lambda: labelled(prior=NORMAL),
    "p(z | y), q(z | x)": lambda: labelled(prior=NORMAL, posterior=partial(Ignore, conditional=NORMAL)),
    "mixture": lambda: labelled(
        prior=partial(Mixture, num_components=2, spread=1.0), posterior=partial(Ignore, conditional=NORMAL)
    ),
    "learned p(y)": lambda: labelled(learn_class_prior=True),
    "chunks": lambda: labelled(class_chunk=2),
}


@pytest.fixture(params=DENSITIES)
def densities(request):
    return DENSITIES[request.param]()


def data(num=4):
    return torch.randint(2, (num, 6)).to(torch.get_default_dtype()), torch.arange(num) % 3


@pytest.mark.parametrize("sample_shape", [(), (3,), (2, 3)])
def test_quantities_have_one_number_a_draw_and_datum(densities, sample_shape):
    terms = densities.terms(data()[0], shape=sample_shape)
    y, z = terms.latents
    assert y.z.shape == (*sample_shape, 4, 3)
    assert z.z.shape == (*sample_shape, 4, 2)
    assert len(z.z.flatten(0, -2).unique(dim=0)) == z.z.shape[:-1].numel()
    for quantity in (terms.elbo, terms.log_weight, terms.rate):
        assert quantity.shape == (*sample_shape, 4)


def test_every_class_of_every_datum_has_terms(densities):
    terms = densities.class_terms(data()[0])
    for quantity in (terms.elbo, terms.log_q, terms.log_lik, terms.rate):
        assert quantity.shape == (3, 4)
    assert sum_over_classes(terms).elbo.shape == densities.labelled_terms(*data()).elbo.shape == (4,)
    torch.testing.assert_close(terms.log_q.exp().sum(0), torch.ones(4))


def test_every_parameter_has_a_gradient(densities):
    x, y = data()
    (sum_over_classes(densities.class_terms(x)).elbo.sum() + densities.labelled_terms(x, y).elbo.sum()).backward()
    for name, parameter in densities.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_a_code_is_what_the_likelihood_reads(densities):
    x, _ = data()
    z = densities.encode(x)
    assert z.shape == (4, *densities.latent_shape) == (4, 5)
    one_hot = z[:, 2:]
    assert torch.equal(one_hot.sort(1).values, torch.tensor([0.0, 0.0, 1.0]).expand(4, -1))
    assert torch.equal(one_hot.argmax(1), densities.log_class_probs(x).argmax(1))
    torch.testing.assert_close(z[:, :2], densities.posterior(x, one_hot).mean)
    torch.testing.assert_close(densities.decode(z).mean, densities.likelihood(z[:, :2], one_hot).mean)
    assert densities.generate(7).mean.shape == (7, 6)


@pytest.mark.usefixtures("float64")
class TestEnumerable:
    """Two binary latents and three classes: every sum can be written out."""

    @pytest.fixture
    def model(self, float64):
        torch.manual_seed(1)
        binary = partial(RelaxedBernoulliLatent, temperature=0.5, straight_through=False)
        densities = labelled(
            prior=partial(FixedBernoulli, probability=0.4),
            posterior=partial(HEAD, family=binary),
            learn_class_prior=True,
        )
        with torch.no_grad():
            densities.class_logits.copy_(torch.tensor([0.5, -0.3, 0.1]))
            for parameter in densities.parameters():
                parameter.mul_(1.5)
        return densities.eval()

    def exact(self, model, x):
        """Log p(x) and the bound, by explicit sums over y and z, (B,) each."""
        joint, bound = [], 0.0
        for k, bits in product(range(3), product((0.0, 1.0), repeat=2)):
            y, z = model.classes[k].expand(len(x), -1), torch.tensor(bits).expand(len(x), -1)
            log_p = model.class_prior.log_prob(y) + model.prior(y).log_prob(z)
            log_joint = log_p + model.likelihood(z, y).log_prob(x)
            log_q = model.log_class_probs(x)[:, k] + model.posterior(x, y).log_prob(z)
            joint.append(log_joint)
            bound = bound + log_q.exp() * (log_joint - log_q)
        return torch.stack(joint).logsumexp(0), bound

    def test_the_bound_is_the_explicit_sum_and_below_the_evidence(self, model):
        x, _ = data()
        evidence, bound = self.exact(model, x)
        draws = sum_over_classes(model.class_terms(x.repeat(3_000, 1))).elbo.view(3_000, -1)
        error = (draws.mean(0) - bound) / (draws.std(0) / len(draws) ** 0.5)
        assert error.abs().max() < 5
        assert (bound < evidence).all()

    def test_draws_of_y_agree_with_the_sum_in_mean(self, model):
        """z-scores beyond 5 come once in 1.7 million."""
        x, _ = data()
        evidence, bound = self.exact(model, x)
        terms = model.terms(x, shape=(20_000,))
        error = (terms.elbo.mean(0) - bound) / (terms.elbo.std(0) / 20_000**0.5)
        assert error.abs().max() < 5
        drawn = model.score(x, from_posterior(model, (x,), 20_000)(slice(0, 20_000)))
        for log_weight in (terms.log_weight, drawn.log_weight):
            weights = (log_weight - evidence).exp()
            assert ((weights.mean(0) - 1) / (weights.std(0) / 20_000**0.5)).abs().max() < 5


@pytest.mark.usefixtures("float64")
def test_the_sum_over_classes_is_equation_7():
    densities, (x, _) = labelled(learn_class_prior=True), data()
    torch.manual_seed(3)
    found = sum_over_classes(densities.class_terms(x))
    y = torch.eye(3)[:, None].expand(3, 4, 3)
    torch.manual_seed(3)
    q_z = densities.posterior(x, y)
    z = q_z.rsample()
    q_y = densities.classifier(x).probs.T
    kl = kl_divergence(q_z, densities.prior(y))
    minus_l = densities.likelihood(z, y).log_prob(x) + densities.class_prior.log_prob(y) - kl
    entropy = -(q_y * q_y.log()).sum(0)
    torch.testing.assert_close(found.elbo, (q_y * minus_l).sum(0) + entropy)
    torch.testing.assert_close(found.elbo, -found.rate - found.distortion)


@pytest.mark.usefixtures("float64")
def test_the_terms_of_a_label_are_its_parts():
    """The classifier's is log_q, the prior's log_p: what trains the one must not reach the other."""
    densities, (x, y) = labelled(learn_class_prior=True), data()
    with torch.no_grad():
        densities.class_logits.copy_(torch.tensor([1.0, 0.0, -2.0]))
    terms = densities.labelled_terms(x, y)
    torch.testing.assert_close(terms.log_q, densities.log_class_probs(x).gather(1, y[:, None])[:, 0])
    torch.testing.assert_close(terms.log_p, torch.tensor([1.0, 0.0, -2.0]).log_softmax(0)[y])


class Revealed(Conditional):
    """p(x | y, z) whose mean is the class."""

    def forward(self, z, y):
        return Independent(Coins(probs=torch.cat([y, y], -1)), 1)


def test_samples_are_of_the_classes_of_the_prior():
    densities = labelled(likelihood=lambda *_: Revealed(), learn_class_prior=True)
    with torch.no_grad():
        densities.class_logits.copy_(torch.tensor([1.0, 0.0, -1.0]))
    shares = densities.generate(10_000).mean[:, :3].mean(0)
    assert ((shares - densities.class_logits.softmax(0)).abs() < 0.025).all()


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("posterior", [NORMAL, partial(Ignore, conditional=NORMAL)], ids=["q(z | x, y)", "q(z | x)"])
@pytest.mark.parametrize("class_chunk", [1, 2, 7])
def test_chunks_change_neither_value_nor_gradient(posterior, class_chunk):
    whole, (x, _) = labelled(posterior=posterior), data()
    parts = labelled(posterior=posterior, class_chunk=class_chunk)
    parts.load_state_dict(whole.state_dict())
    gradients = []
    for densities in (whole, parts):
        torch.manual_seed(3)
        value = sum_over_classes(densities.class_terms(x)).elbo.sum()
        gradients.append([value, *torch.autograd.grad(value, list(densities.parameters()))])
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b)


def test_chunks_keep_fewer_activations():
    held = {}
    for chunk in (None, 1):
        sizes = []
        densities = labelled(class_chunk=chunk)
        with torch.autograd.graph.saved_tensors_hooks(lambda t, kept=sizes: kept.append(t.numel()) or t, lambda t: t):
            sum_over_classes(densities.class_terms(data()[0]))
        held[chunk] = sum(sizes)
    assert held[1] < 0.7 * held[None]


def test_a_classifier_has_classes_and_no_density():
    densities = classification(CLASSES, CLASS)
    x, _ = data()
    torch.testing.assert_close(densities.encode(x).sum(1), torch.ones(4))
    for use in (lambda: densities.terms(x), lambda: densities.generate(3), lambda: densities.decode(x)):
        with pytest.raises(Undefined, match="no density of x"):
            use()
    start(densities, torch.zeros(6))


def test_a_proposal_draws_the_class_and_the_style(densities):
    """Log w = log p(x | y, z) + log p(y) + log p(z | y) - log q, with the density that the draw of the class says."""
    x, _ = data()
    latents = from_posterior(densities, (x,), 7)(slice(0, 7))
    y, z = (latent.z for latent in latents)
    assert y.shape == (7, 4, 3)
    assert len(z.flatten(0, 1).unique(dim=0)) == 28
    log_q = latents[0].log_q + latents[1].log_q
    found = densities.score(x, latents).log_weight
    log_p = densities.class_prior.log_prob(y) + densities.prior(y).log_prob(z)
    torch.testing.assert_close(found, densities.likelihood(z, y).log_prob(x) + log_p - log_q)
    of_class = (densities.log_class_probs(x).exp() * 0.9 + 0.1 / 3).log().expand(7, -1, -1)
    of_class = of_class.gather(-1, y.argmax(-1, keepdim=True))[..., 0]
    torch.testing.assert_close(log_q, of_class + densities.posterior(x, y).log_prob(z))


def test_classes_come_in_proportion_and_none_is_left_out():
    log_probs = spread_class_probs(torch.tensor([[0.0, -1e4, -1e4], [0.5, 0.25, 0.25]]).clamp(max=1).log_softmax(1))
    expected = torch.tensor([[0.9 + 0.1 / 3, 0.1 / 3, 0.1 / 3]]), log_probs[1:].exp()
    levels = (torch.arange(3000)[:, None] + torch.rand(3000, 2)) / 3000
    counts = torch.nn.functional.one_hot(class_at(log_probs, levels), 3).sum(0)
    torch.testing.assert_close(counts / 3000, torch.cat(expected), rtol=0, atol=2 / 3000)
    assert class_at(log_probs, torch.tensor([[0.0, 0.0], [1.0, 1.0]])).tolist() == [[0, 0], [2, 2]]


BAD = {
    "no classes": (lambda: labelled(BITS), "data with classes.*data=mnist"),
    "conditions": (lambda: labelled(CLASSES._replace(given=((3,),))), "data.given=none"),
    "class_chunk=0": (lambda: labelled(class_chunk=0), "densities.class_chunk=0: at least one class"),
    "noise in chunks": (
        lambda: labelled(
            posterior=partial(Denoising, posterior=NORMAL, corruption=partial(masking, 0.3)), class_chunk=1
        ),
        "draws noise.*densities.class_chunk=null",
    ),
    "classifier of bits": (lambda: labelled(classifier=BIT), "q.y . x. is a Bernoulli.*OneHot"),
    "no prior": (lambda: labelled(prior=None), "prior=standard_normal"),
    "Bernoulli on reals": (
        lambda: labelled(Spec((6,), Support.REAL, classes=name_by_number(3))),
        "likelihood=gaussian",
    ),
    "prior of a classifier": (
        lambda: classification(CLASSES, CLASS, prior=StandardNormal),
        "prior=none, or choose model=m2",
    ),
    "classifier without classes": (lambda: classification(BITS, CLASS), "data with classes"),
}


@pytest.mark.parametrize("case", BAD)
def test_impossible_models_are_refused(case):
    build, message = BAD[case]
    with refused(message):
        build()
