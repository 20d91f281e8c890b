"""Semi-supervised objectives: what they are made of, what they reduce to, and what an epoch of them adds up to."""

from dataclasses import replace
from math import inf, log

import pytest
import torch
from tests.helpers import CLASSES, LabelledBits, adam, fit, refused, small_cvae, small_densities, weights
from tests.models.registry import ERROR, VARIANTS, batch_for, labelled, make, training_batch_for
from torch import nn
from torch.distributions import Bernoulli as Coins
from torch.distributions import Independent

from elbolab.batch import Batch, Semi
from elbolab.densities.class_terms import sum_over_classes
from elbolab.distributions.conditional import Conditional
from elbolab.models.classifier import Classifier
from elbolab.models.cvae import CVAE
from elbolab.models.m2 import M2
from elbolab.models.vae import VAE
from elbolab.training.newest import Newest

pytestmark = pytest.mark.usefixtures("float64")


def seeded(function, *args):
    torch.manual_seed(3)
    return function(*args)


def semi(num=8, share=0.1):
    batch = batch_for(make("m2"), num)
    return Semi.of(batch, Batch(batch.x.flip(0)), share)


def test_the_loss_is_equation_9_divided_by_n():
    model, batch = make("m2").double(), semi()
    model.alpha.value.fill_(0.7)
    found = seeded(model.loss, batch)
    torch.manual_seed(3)
    u = sum_over_classes(model.densities.class_terms(batch.unlabelled.x))
    terms = model.densities.labelled_terms(batch.labelled.x, batch.labelled.y)
    log_q = model.densities.log_class_probs(batch.labelled.x)[torch.arange(8), batch.labelled.y]
    expected = -u.elbo.mean() - 0.1 * terms.elbo.mean() - 0.7 * log_q.mean()
    torch.testing.assert_close(found.value, expected)
    torch.testing.assert_close(found.metrics["elbo"], u.elbo.mean().detach())
    torch.testing.assert_close(found.metrics["elbo"], -found.metrics["rate"] - found.metrics["distortion"])
    torch.testing.assert_close(found.metrics["labelled_elbo"], terms.elbo.mean())
    torch.testing.assert_close(found.metrics["classification"], -log_q.mean())


def penalised(class_terms):
    """The terms with 5 nats more of every datum."""

    def changed(*args):
        terms = class_terms(*args)
        return replace(terms, penalty=torch.full_like(terms.log_lik, 5.0))

    return changed


def test_the_loss_takes_on_what_latents_add_to_it(monkeypatch):
    """5 nats a datum at every class, and 5 a labelled datum, of which there are 0.1 a datum."""
    model, batch = make("m2").double(), semi()
    plain, densities = seeded(model.loss, batch), model.densities
    for name in ("class_terms", "labelled_terms"):
        monkeypatch.setattr(densities, name, penalised(getattr(densities, name)))
    found = seeded(model.loss, batch)
    torch.testing.assert_close(found.value, plain.value + 5 + 0.5)
    assert found.metrics == plain.metrics


def test_all_labelled_it_is_a_conditional_vae_with_a_prior_and_a_classifier():
    """Same weights, same noise: L(x, y) = -ELBO(x | y) - log p(y), beside the classification term."""
    m2 = labelled().double()
    cvae = small_cvae(prior=type(m2.prior)).double()
    cvae.load_state_dict({name: m2.state_dict()[name] for name in cvae.state_dict()})
    batch = semi(share=1.0)
    one_hot = torch.eye(3)[batch.labelled.y]
    theirs = seeded(CVAE(densities=cvae, optimizer=adam()).loss, Batch(batch.labelled.x, (one_hot,))).value
    ours = seeded(m2.labelled_terms, batch.labelled.x, batch.labelled.y)
    torch.testing.assert_close(-ours.elbo.mean(), theirs + log(3))

    model = M2(alpha=0.3, densities=m2, **ERROR)
    torch.manual_seed(3)
    u = sum_over_classes(m2.class_terms(batch.unlabelled.x)).elbo.mean()
    supervised = -m2.labelled_terms(batch.labelled.x, batch.labelled.y).elbo.mean()
    classification = -(m2.log_class_probs(batch.labelled.x) * one_hot).sum(1).mean()
    torch.testing.assert_close(seeded(model.loss, batch).value, -u + supervised + 0.3 * classification)


class OfClass(Conditional):
    """p(x | y): the style is not looked at, so that a bound has no noise."""

    def __init__(self, parents, event):
        super().__init__()
        self.logits = nn.Parameter(torch.randn(3, *event))

    def forward(self, z, y):
        return Independent(Coins(logits=y @ self.logits).expand((*z.shape[:-1], 6)), 1)


@pytest.mark.parametrize("labelled_batch_size", [2, 6, 30])
def test_batches_of_whole_epochs_average_to_the_objective(labelled_batch_size):
    """At every ratio of labelled to unlabelled data the minibatch loss is an unbiased estimate of Eq. 9 over N."""
    data = LabelledBits(batch_size=10, num_labelled=30, labelled_batch_size=labelled_batch_size)
    model = M2(alpha=0.1, densities=labelled(likelihood=OfClass).double(), **ERROR)
    loader, values = data.train_dataloader(), []
    for epoch in range(15):  # so many that every labelled datum is used equally often
        loader.sampler.set_epoch(epoch)
        values += [model.loss(batch).value.item() for block in loader for batch in block]
    known, rest = (next(iter(data.batches(split))) for split in ("labelled", "train"))
    assert (len(known.x), len(rest.x)) == (30, 130)
    u = sum_over_classes(model.densities.class_terms(rest.x)).elbo
    terms = model.densities.labelled_terms(known.x, known.y)
    objective = -u.sum() - terms.elbo.sum() - 0.1 * 130 * terms.log_q.mean()
    assert sum(values) / len(values) == pytest.approx(objective.item() / 130, rel=1e-12)


@pytest.mark.parametrize("name", ["m2", "m1_m2"])
def test_reports_are_the_exact_sum_and_the_error(name):
    model = make(name).double().eval()
    batch = batch_for(model)
    report = seeded(model.report, batch)
    expected = sum_over_classes(seeded(model.densities.class_terms, batch.x))
    torch.testing.assert_close(report["elbo"], expected.elbo.mean())
    torch.testing.assert_close(report["elbo"], -report["rate"] - report["distortion"])
    log_q = seeded(model.densities.class_terms, batch.x).log_q
    assert report["error"] == (log_q.argmax(0) != batch.y).double().mean()
    assert "error" not in model.report(Batch(batch.x))


def test_a_classifier_sees_the_labelled_part_alone():
    model, batch = make("classifier").double(), semi()
    loss = model.loss(batch)
    torch.testing.assert_close(loss.value, model.loss(batch.labelled).value)
    log_q = model.densities.log_class_probs(batch.labelled.x)
    torch.testing.assert_close(loss.value, nn.functional.nll_loss(log_q, batch.labelled.y))
    torch.testing.assert_close(model.report(batch.labelled)["classification"], loss.value)
    assert loss.metrics["error"] == (log_q.argmax(1) != batch.labelled.y).double().mean()


def test_of_few_labels_a_vae_sees_all_pixels_and_no_label():
    model, batch = VAE(densities=small_densities(CLASSES).double(), optimizer=adam()), semi()
    assert torch.equal(seeded(model.loss, batch).value, seeded(model.loss, batch.unlabelled).value)


@pytest.mark.parametrize("name", [name for name in VARIANTS if name.startswith("m2")])
def test_its_classifier_learns_from_data_without_labels(name):
    model, batch = make(name), training_batch_for(make(name))
    gradients = []
    for unlabelled in (batch.unlabelled, Batch(1 - batch.unlabelled.x)):
        value = seeded(model.double().loss, batch._replace(unlabelled=unlabelled)).value
        gradients.append(torch.autograd.grad(value, model.densities.classifier.net.layers[0].weight)[0])
    assert not torch.allclose(*gradients)


def test_training_leaves_m1_as_it_is():
    model = make("m1_m2")
    before = weights(model.densities.m1)
    fit(model, max_epochs=1)
    assert torch.equal(before, weights(model.densities.m1))


@pytest.mark.parametrize("name", ["m2", "m1_m2"])
def test_a_run_resumes_to_the_bit(name, tmp_path):
    whole, half, resumed = (make(name) for _ in range(3))
    fit(whole, max_steps=20)
    fit(half, max_steps=17, callbacks=[Newest(str(tmp_path), every_seconds=None)])
    fit(resumed, max_steps=20, resume=tmp_path / "last.ckpt")
    assert torch.equal(weights(whole), weights(resumed))
    assert not torch.equal(weights(whole), weights(half))


PLAIN = {"batch_size": 10, "eval_batch_size": 10}


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: make("m2").loss(batch_for(make("m2"))), "data.num_labelled=100"),
        (lambda: fit(make("m1_m2"), data=LabelledBits(**PLAIN), max_epochs=1), "data.num_labelled=100"),
        (lambda: make("classifier").loss(Batch(torch.ones(2, 6))), "reads class labels.*data=mnist"),
        (lambda: M2(alpha=-1.0, densities=labelled(), **ERROR), "model.alpha=-1.0: .*not negative"),
        (lambda: M2(alpha=inf, densities=labelled(), **ERROR), "model.alpha=inf: .*finite"),
        (lambda: M2(alpha=0.1, densities=small_densities(), **ERROR), "choose model=m2 or m1_m2"),
        (lambda: Classifier(densities=small_densities(), **ERROR), "choose model=classifier"),
    ],
)
def test_impossible_requests_are_refused(build, message):
    with refused(message):
        build()
