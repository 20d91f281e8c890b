"""Two processes (gloo) against one on the union batch."""

from copy import deepcopy
from functools import partial

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from tests.helpers import Bits, LabelledBits, data_for, fit, small_vae, weights
from tests.models.registry import VARIANTS, make

from elbolab.models.classifier import Classifier
from elbolab.training.newest import Newest

pytestmark = pytest.mark.filterwarnings(
    "ignore:This process .* is multi-threaded:DeprecationWarning"
)  # fork, by intent


class Noiseless(Callback):
    """Two ranks cannot draw one process's noise: the posterior is cut to its mean, so that gradients compare."""

    def on_train_start(self, trainer, module):
        module.densities.posterior.family.forward = _point(module.densities.posterior.family)


def _point(family):
    from torch.distributions import Independent, Normal

    def forward(raw):
        loc, _ = raw.chunk(2, -1)
        return Independent(Normal(loc, torch.full_like(loc, 1e-6)), 1)

    return forward


class Leave(Callback):
    """Leaves each rank's results where the test finds them: a forked process returns nothing else."""

    def __init__(self, folder):
        self.folder = folder

    def on_train_end(self, trainer, module):
        noise = torch.rand(1)
        torch.save(
            {
                "weights": weights(module),
                "elbo": trainer.callback_metrics.get("val/elbo"),
                "noise": noise,
                "step": trainer.global_step,
            },
            self.folder / f"{trainer.global_rank}.pt",
        )


@pytest.fixture
def two_ranks(tmp_path):
    def run(*callbacks, model=None, batch_size=5, data=Bits, **options):
        fit(
            model or small_vae(),
            data=data(batch_size=batch_size, eval_batch_size=10),
            strategy="ddp_fork",
            devices=2,
            callbacks=[*callbacks, Leave(tmp_path)],
            **options,
        )
        return [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]

    return run


def test_two_ranks_step_as_one_process_on_the_union_batch(two_ranks):
    sgd = partial(torch.optim.SGD, lr=0.05)  # Adam would not see a gradient of another scale
    first, second = two_ranks(Noiseless(), max_epochs=2, model=small_vae(optimizer=sgd))
    one = small_vae(optimizer=sgd)
    trainer = fit(one, max_epochs=2, callbacks=[Noiseless()])
    assert torch.equal(first["weights"], second["weights"])
    assert first["step"] == trainer.global_step == 26
    torch.testing.assert_close(first["weights"], weights(one), rtol=0, atol=2e-5)
    torch.testing.assert_close(first["elbo"], trainer.callback_metrics["val/elbo"], rtol=0, atol=1e-4)
    assert not torch.equal(first["noise"], second["noise"])


def test_ranks_start_from_rank_zeros_weights_and_resume_their_own_noise(two_ranks, tmp_path):
    class Apart(Callback):
        def setup(self, trainer, module, stage):
            with torch.no_grad():
                next(module.parameters()).add_(trainer.global_rank)

    newest = Newest(str(tmp_path / "state"), every_seconds=None)
    first, second = two_ranks(Apart(), newest, max_steps=7)
    assert torch.equal(first["weights"], second["weights"])
    resumed = two_ranks(max_steps=12, resume=tmp_path / "state" / "last.ckpt")
    whole = two_ranks(Apart(), max_steps=12)
    assert torch.equal(resumed[0]["weights"], whole[0]["weights"])
    assert [r["noise"] for r in resumed] == [w["noise"] for w in whole]
    assert resumed[0]["noise"] != resumed[1]["noise"]


def test_semi_supervised_batches_are_shared_out(two_ranks):
    data = partial(LabelledBits, num_labelled=30, labelled_batch_size=4)
    sgd = {"optimizer": partial(torch.optim.SGD, lr=0.05), "monitor": "val/error", "mode": "min"}
    model = Classifier(densities=make("classifier").densities, **sgd)
    halves = partial(LabelledBits, num_labelled=30, labelled_batch_size=2)
    first, second = two_ranks(data=halves, model=deepcopy(model), max_epochs=2)
    assert torch.equal(first["weights"], second["weights"])
    trainer = fit(model, data=data(batch_size=10, eval_batch_size=10), max_epochs=2)
    assert first["step"] == trainer.global_step == 26
    torch.testing.assert_close(first["weights"], weights(model), rtol=0, atol=2e-5)
    first, second = two_ranks(data=data, model=make("m2"), max_epochs=1)
    assert torch.equal(first["weights"], second["weights"])


def test_ranks_corrupt_by_their_own_noise_and_stay_one_model(two_ranks):
    first, second = two_ranks(max_steps=5, model=make("dvae"))
    assert torch.equal(first["weights"], second["weights"])
    assert not torch.equal(first["noise"], second["noise"])


def test_a_limit_below_the_number_of_ranks_leaves_every_rank_a_batch(two_ranks):
    assert two_ranks(max_epochs=1, limit_val_batches=1)[0]["step"] == 13


def test_ranks_validate_and_save_one_model_with_one_set_of_running_statistics(two_ranks, tmp_path):
    class Count(Callback):
        """A buffer that training moves differently on every rank."""

        def setup(self, trainer, module, stage):
            module.densities.register_buffer("count", torch.zeros(()))

        def on_train_batch_start(self, trainer, module, *_):
            module.densities.count += 1 + trainer.global_rank

        def on_validation_start(self, trainer, module):
            torch.save(module.densities.count, tmp_path / f"before-{trainer.global_rank}.pt")

        def on_validation_end(self, trainer, module):
            torch.save(module.densities.count, tmp_path / f"after-{trainer.global_rank}.pt")

    two_ranks(Count(), max_epochs=1)
    before, after = ([torch.load(tmp_path / f"{when}-{r}.pt").item() for r in range(2)] for when in ("before", "after"))
    assert before[0] != before[1]
    assert after == [before[0]] * 2


def test_players_of_two_ranks_stay_one_model(two_ranks):
    """Critics included, each rank with draws of its own."""
    first, second = two_ranks(max_steps=5, model=make("aae"))
    assert torch.equal(first["weights"], second["weights"])
    assert not torch.equal(first["weights"], weights(make("aae")))
    assert not torch.equal(first["noise"], second["noise"])


@pytest.mark.slow  # tests/training/test_ranks.py has all of them at the stepper; this is Lightning around it, 2 s each
@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_trains_on_two_ranks(name, two_ranks):
    model = make(name)
    first, second = two_ranks(max_steps=21, model=model, data=lambda **_: data_for(model))
    assert torch.equal(first["weights"], second["weights"])
    assert first["step"] == 21
    assert not torch.equal(first["weights"], weights(make(name)))
