"""Every part trains, is measured and is drawn on a device whose tensors do not mix with the CPU's."""

from types import SimpleNamespace

import pytest
import torch
from hydra import initialize_config_dir
from omegaconf import open_dict
from tests.evaluation.registry import measured
from tests.helpers import data_for
from tests.models.registry import VARIANTS, make
from tests.pretend_device import DEVICE, MixedDevices, fit_there, pretend_device, sent
from tests.test_configs import CONF, Little, composed, densities_of, model_of, options

from elbolab.config import build
from elbolab.evaluation.declared import KINDS
from elbolab.evaluation.figures import drawing
from elbolab.reading.splits import Splits
from elbolab.training.trees import leaves

pytestmark = pytest.mark.filterwarnings("ignore:.*its last value is never reached")  # of a schedule: runs are short

SMALL = {"num_samples": 2, "class_samples": 2, "parzen_samples": 5, "null_pairs": 2, "limit": 10, "probe_limit": 30}

VARIANT, CONDITIONAL = "vae", "experiment=sohn2015/cvae scale=reduced"
FACTORS = "experiment=cmma/dsprites scale=reduced"
RESTORING = "experiment=im2017/static_mnist scale=reduced corruption=salt_and_pepper"
LEVELS = "data.binarize=none densities.likelihood.family.levels=17"
DIGITS = f"data=digits likelihood=discretised_logistic {LEVELS}"
DIGITS_OF_CLASSES = f"{DIGITS} model=cvae"

ANNEALED = "data=digits evaluation=ais evaluation.measures.annealing.num_temperatures=3"
GAPS = "data=digits evaluation=gaps evaluation.measures.gaps.num_temperatures=3 evaluation.measures.gaps.num_steps=3"
QUADRATURE = "data=toy densities.latent_dim=2 likelihood=gaussian evaluation=quadrature"
WHERE = {
    **dict.fromkeys(("elbo", "rate", "distortion", "ess", "active_units", "nll", "mutual_information"), VARIANT),
    **dict.fromkeys(("mmd2", "mmd2_null", "ks", "parzen_log_lik", "posterior_entropy"), VARIANT),
    **dict.fromkeys(("error", "error_knn", "error_logistic", "error_svm"), "m2"),
    **dict.fromkeys(("cluster_error", "groups"), "aae, clustering"),
    **dict.fromkeys(("edit_accuracy", "edit_classifier_accuracy", "edits"), FACTORS),
    **dict.fromkeys(("mig", "beta_vae_score", "factor_vae_score", "dci_disentanglement", "sap"), FACTORS),
    **dict.fromkeys(("restoration", "restoration_mse", "dvae_bound", "mixture_bound", "restorations"), RESTORING),
    **dict.fromkeys(("conditional_nll", "conditional_nll_mc", "completions"), CONDITIONAL),
    **dict.fromkeys(("class_information", "conditional_bits_per_dim"), DIGITS_OF_CLASSES),
    **dict.fromkeys(("samples_by_label", "style_transfer"), "cvae"),
    **dict.fromkeys(("class_manifolds", "analogies"), "m2"),
    **dict.fromkeys(("samples", "reconstructions", "interpolations", "traversals", "manifold"), VARIANT),
    **dict.fromkeys(("latent_space", "kl_per_dim"), VARIANT),
    **dict.fromkeys(("bits_per_dim", "probe_accuracy", "knn_accuracy", "mse"), DIGITS),
    "codes_and_prior": "aae, label-informed",
    **dict.fromkeys(("ais_nll", "ais_gap"), ANNEALED),
    **dict.fromkeys(("inference_gap", "approximation_gap", "amortisation_gap"), GAPS),
    **dict.fromkeys(("posterior_kl", "inclusive_kl"), QUADRATURE),
    "posterior_and_truth": VARIANT,
}
"""A variant or a configuration of which something is measured or drawn."""


@pytest.fixture
def hydra():
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield


def test_everything_that_is_measured_or_drawn_is_so_here(monkeypatch):
    monkeypatch.setattr(drawing, "partial", lambda *_, **__: lambda: None)  # every figure is said to exist
    model = make("vae")
    figures = drawing.draw_all(model.densities, data_for(model).batches("test"), seed=0)
    headlines = {name for name, kind in KINDS.items() if kind.headline is not None}
    assert {*figures, *headlines} <= WHERE.keys()


def drawn(densities, data):
    return drawing.draw_all(densities, data.batches("test", DEVICE), seed=0)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_trains(name):
    model = make(name)
    with pretend_device():
        fit_there(model, data_for(model), max_steps=2)
    assert {tensor.device for tensor in (*model.parameters(), *model.buffers())} == {DEVICE}


DIFFERENT = {repr(make(name).densities): name for name in reversed(VARIANTS)}.values()
"""Variants of different densities: those of the others are measured and drawn as theirs are."""


@pytest.mark.parametrize("name", DIFFERENT)
def test_every_variant_is_measured_and_drawn(name, monkeypatch):
    monkeypatch.setattr("elbolab.metrics.few_labels.FOLDS", 2)  # classifiers of codes, on the CPU wherever the model is
    monkeypatch.setattr("elbolab.evaluation.few_labels.DRAWS", 2)
    model = make(name)
    data = data_for(model)
    with pretend_device():
        model.to(DEVICE)
        report = measured(model.densities, data, **SMALL)
        found = {*report["test"], *drawn(model.densities, data)}
    assert {what for what, where in WHERE.items() if where == name} <= found


class Enough(Little):
    """As many as the scores of disentanglement need."""

    def load(self):
        return Splits(*(self.part(seed, num) for seed, num in enumerate((40, 20, 40))))


@pytest.mark.slow
@pytest.mark.parametrize("words", sorted(set(WHERE.values()) - VARIANTS.keys()))
def test_what_asks_for_data_of_its_own(words, hydra):
    cfg = composed(*words.split())
    with open_dict(cfg):
        cfg.evaluation.update(num_samples=2, limit=40)
        cfg.evaluation.measures.conditional.class_samples = 2
        cfg.evaluation.scores.update(num_train=20, num_eval=10)
    data = Enough(cfg)
    model = build.build_model(cfg, densities_of(cfg, data.spec))
    with pretend_device():
        fit_there(model, data, max_steps=1)
        report = build.make(cfg.evaluation)(model.densities, data)
        found = {*report["test"], *drawn(model.densities, data)}
    assert {what for what, where in WHERE.items() if where == words} <= found


GROUPS = "densities.latent_dim=[3,4]"
FITTING = {
    "prior": {
        **dict.fromkeys(("standard_normal", "normal", "mixture"), "model=vae"),
        **dict.fromkeys(("class_centres", "conditional_normal"), "model=cvae"),
        **dict.fromkeys(("gaussian_ring", "swiss_roll"), "model=aae densities.latent_dim=2"),
        "bernoulli": "model=binary_vae",
        "categorical": f"model=vae posterior=categorical_relaxed {GROUPS}",
        "flow": "model=vae",
        "hypersphere": "model=vae posterior=von_mises_fisher",
        "uniform": "model=vae posterior=uniform densities.prior.bound=50",
        "vamp": "model=vae densities.prior.num_components=5",
    },
    "posterior": {
        **dict.fromkeys(("diagonal_normal", "full_normal"), "model=vae"),
        "mixture": "model=vae",
        "uniform": "model=vae",
        "von_mises_fisher": "model=vae prior=hypersphere",
        **dict.fromkeys(("planar", "radial", "sylvester", "householder_sylvester"), "model=iwae"),
        **dict.fromkeys(("iaf", "maf", "nsf"), "model=vae densities.latent_dim=3"),
        "bernoulli_hard": "model=discrete_vae",
        "categorical_hard": f"model=discrete_vae prior=categorical {GROUPS}",
        "categorical_relaxed": f"model=vae prior=categorical {GROUPS}",
        **dict.fromkeys(("universal", "deterministic", "noisy_input_deterministic"), "model=aae"),
        "denoising_deterministic": "model=denoising_ae",
        "bernoulli": "model=binary_vae",
    },
    "likelihood": {
        **dict.fromkeys(options("likelihood"), "data.binarize=none"),
        **dict.fromkeys(("categorical", "discretised_logistic", "logistic_mixture"), LEVELS),
        "bernoulli": "data.binarize=dynamic",
    },
    "corruption": dict.fromkeys(options("corruption"), "model=dvae"),
    "densities": dict.fromkeys(("single_layer", "bottom_up", "two_layer"), "model=vae"),
    "regulariser": dict.fromkeys(options("regulariser"), "model=rae"),
    "net": dict.fromkeys(options("net"), "data=mnist data.binarize=dynamic"),
    "schedule": dict.fromkeys(options("schedule"), "model.ema=0.9 model.clip_norm=1 model.skip_norm=100"),
    "optimizer": dict.fromkeys(options("optimizer"), ""),
}
"""Data and models that a part is made for; the data are small images, unless they are named."""

ELSEWHERE = ("none", "recurrent")
"""No part, and one that builds on a stage, which the variants have."""

PARTS = [(group, option) for group in FITTING for option in options(group) if option not in ELSEWHERE]


@pytest.mark.parametrize(("group", "option"), PARTS)
def test_every_part_that_can_be_chosen(group, option, hydra):
    model, data = model_of("data=digits", *FITTING[group][option].split(), f"{group}={option}")
    with pretend_device():
        fit_there(model, data, max_steps=2, max_epochs=1)
        arrays = drawing.sample_arrays(model.densities, data.batches("test", DEVICE), num=3, seed=0)
    assert arrays["samples"].shape == (3, *data.spec.x)


@pytest.mark.parametrize(
    "words",
    [
        "binarize=none",
        "binarize=dynamic",
        "binarize=dynamic resident=false num_workers=0",
        "binarize=threshold num_labelled=20",
        "given=labels",
        "given=quadrants quadrants=1",
    ],
)
def test_every_way_of_making_batches(words, hydra):
    data = build.build_data(composed("data=digits", "data.batch_size=500", *(f"data.{word}" for word in words.split())))
    data.trainer = SimpleNamespace(world_size=1, global_rank=0, strategy=SimpleNamespace(root_device=DEVICE))
    with pretend_device():
        batches = [*data.batches("train", DEVICE), *data.batches("test", DEVICE)]
        batches += [
            batch for loader in (data.train_dataloader(), data.val_dataloader()) for block in loader for batch in block
        ]
        assert {part.device for batch in batches for part in leaves(batch)} == {DEVICE}


HERE = torch.arange(3)


@pytest.mark.parametrize(
    "mix",
    [
        lambda there: there + HERE,
        lambda there: HERE + there,
        lambda there: there.sum() + HERE,
        lambda there: there[HERE],
        lambda there: HERE[there],
        lambda there: torch.stack([there, HERE]),
        lambda there: torch.stack([there.sum(), HERE.sum()]),
        lambda there: there.add_(HERE),
        lambda there: there.index_put_((there,), HERE),
        lambda there: there.numpy(),
        lambda there: torch.rand(3, device=there.device, generator=torch.Generator()),
        lambda there: torch.rand(3, generator=torch.Generator(there.device)),
    ],
)
def test_the_device_refuses_what_is_of_the_cpu(mix):
    with pretend_device(), pytest.raises(MixedDevices):
        mix(sent(HERE))


def test_the_device_has_numbers_and_gradients():
    with pretend_device() as device:
        x = torch.tensor([1.0, 2.0], device=device).requires_grad_()
        (x.square() * torch.tensor(3.0)).sum().backward()
        assert x.grad.device == device
        assert x.grad.tolist() == [6, 12]
        assert x.to("cpu").tolist() == HERE[1:].to(device).cpu().tolist()
        assert torch.zeros(2, device=device).copy_(HERE[:2]).device == device
