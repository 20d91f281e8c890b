"""Models of several layers as the command line composes them."""

import pytest
from tests.helpers import fit, refused
from tests.test_configs import composed, densities_of, hydra, model_of  # noqa: F401 -- hydra is a fixture
from torch import nn

from elbolab.densities.hierarchy import TwoLayer
from elbolab.distributions.vamp import Vamp
from elbolab.models.iwae import IWAE
from elbolab.models.vae import VAE

VAMP = "prior=vamp densities.prior.num_components=5"

WORDS = [
    "densities=bottom_up",
    "densities=bottom_up model=beta_vae model.free_bits=0.1 densities.latent_dim=[6,5,4]",
    "densities=bottom_up model=piwae net=conv",
    "densities=bottom_up model=cvae prior=conditional_normal",
    f"densities=two_layer {VAMP}",
    f"densities=two_layer model=beta_vae model.capacity=3 {VAMP} net=gated_mlp",
    f"densities=two_layer model=piwae net=resnet {VAMP}",
    "densities=two_layer model=iwae posterior=planar",
    "densities=two_layer model=miwae posterior=iaf densities.latent_dim=[5,3]",
    "densities=two_layer model=ciwae prior=flow net=conv",
    "densities=two_layer model=cvae densities.posterior_sees_conditions=false",
    "densities=two_layer data.binarize=none likelihood=gaussian_learned",
]


@pytest.mark.parametrize("words", WORDS)
def test_layers_go_with_models_priors_posteriors_nets_and_likelihoods(words):
    model, data = model_of("data=digits", *words.split())
    fit(model, data=data, max_steps=2)
    number = len(model.densities.code_shapes)
    assert {f"val/rate_{layer}" for layer in range(1, number + 1)} <= model.trainer.callback_metrics.keys()


def test_hvae_is_made_of_two_layers_of_one_size():
    cfg = composed("densities=two_layer", "densities.latent_dim=7")
    densities = densities_of(cfg, model_of("data=mnist", "data.binarize=dynamic")[1].spec)
    assert isinstance(densities, TwoLayer)
    assert densities.code_shapes == ((7,), (7,))


def test_pseudo_inputs_of_a_chain_are_refused():
    with refused("choose densities=two_layer or single_layer, or choose prior=standard_normal"):
        model_of("data=digits", "densities=bottom_up", "prior=vamp", "densities.prior.num_components=5")


@pytest.mark.parametrize("estimator", ["stl", "dreg"])
def test_other_gradients_of_several_layers_are_refused(estimator):
    with refused("set model.estimator=standard"):
        model_of("data=digits", "densities=bottom_up", "model=iwae", f"model.estimator={estimator}")


def test_two_layers_of_the_paper():
    """Burda et al. 2016, section 5.1: 100 and 50 latents, with 100 and 100 units between them."""
    for words, kind in (("", IWAE), ("model=vae", VAE)):
        words = ("experiment=burda2016/two_layers", *words.split())
        assert composed(*words).model.num_samples == 5
        model, _ = model_of(*words)
        assert type(model) is kind
        assert model.densities.code_shapes == ((50,), (100,))
        widths = [
            [layer.out_features for layer in part.modules() if isinstance(layer, nn.Linear)]
            for part in (*model.densities.posterior, *model.densities.priors[1:], model.densities.likelihood)
        ]
        assert [found[:-1] for found in widths] == [[200, 200], [100, 100], [100, 100], [200, 200]]


@pytest.mark.filterwarnings("ignore:.*its last value is never reached")
@pytest.mark.parametrize(("protocol", "latent_dim"), [("burda2016/vae", 50), ("tomczak2018/mnist", 40)])
def test_hvae_is_words_on_any_protocol(protocol, latent_dim):
    words = "densities=two_layer prior=vamp densities.prior.num_components=7 scale=smoke"
    model, data = model_of(f"experiment={protocol}", *words.split())
    fit(model, data=data, max_steps=1)
    assert isinstance(model.densities, TwoLayer)
    assert isinstance(model.densities.priors[0], Vamp)
    assert model.densities.code_shapes == ((latent_dim,), (latent_dim,))
