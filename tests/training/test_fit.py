"""Real fits: what blocks must not change, what Lightning counts, and a resume that is exact to the bit."""

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelSummary
from tests.helpers import Bits, adam, fit, small_densities, small_vae, weights
from torch.distributions import Distribution

from elbolab.common.rng import seed_of
from elbolab.models.beta_vae import beta_vae
from elbolab.training.guard import Guard, NotFinite
from elbolab.training.newest import Newest
from elbolab.training.schedules import Cosine, Linear, Observing, Plateau
from elbolab.training.trainer import block_size, count, make_trainer


class Spy(Callback):
    """Notes what Lightning thinks at every block end, and saves a checkpoint there and after validation."""

    def __init__(self, folder=None):
        self.folder, self.steps, self.axis, self.saved = folder, [], [], []

    def on_train_batch_end(self, trainer, *_):
        self.steps.append(trainer.global_step)
        self.axis.append(trainer.fit_loop.epoch_loop._batches_that_stepped)
        self.save(trainer, "block")

    def on_validation_end(self, trainer, _):
        self.save(trainer, "validation")

    def save(self, trainer, where):
        if self.folder is not None:
            self.saved.append(self.folder / f"{len(self.saved)}-{where}.ckpt")
            trainer.save_checkpoint(self.saved[-1])


def rich_model(**options):
    """Everything that has state at once."""
    torch.manual_seed(11)
    return beta_vae(
        beta=Linear(0, 1, steps=15),
        densities=small_densities(),
        optimizer=adam(),
        **({"schedule": Cosine(1, 0, steps=20), "ema": 0.9, "clip_norm": 1.0} | options),
    )


@pytest.mark.parametrize("block", [1, 4, 7, 50])
def test_results_do_not_depend_on_the_block(block):
    one, other = small_vae(), small_vae()
    fit(one, max_epochs=2, log_every_n_steps=13)
    fit(other, max_epochs=2, log_every_n_steps=block)
    assert torch.equal(weights(one), weights(other))


def test_lightning_counts_optimiser_steps_and_the_axis_is_their_index():
    spy = Spy()
    trainer = fit(small_vae(), max_epochs=2, callbacks=[spy])
    assert spy.steps == [5, 10, 13, 18, 23, 26]
    assert spy.axis == [4, 9, 12, 17, 22, 25]
    assert trainer.global_step == 26


def test_max_steps_is_exact_within_a_block():
    model = small_vae()
    assert fit(model, max_steps=12).global_step == 12
    assert int(model.step) == 12


def test_validation_can_come_within_an_epoch():
    spy = Spy()
    seen = []
    spy.on_validation_end = lambda trainer, _: seen.append(trainer.global_step)
    fit(small_vae(), max_epochs=1, val_every_n_steps=6, callbacks=[spy])
    assert seen == [6, 12]


def test_an_epoch_can_be_limited_in_steps():
    assert fit(small_vae(), max_epochs=2, limit_train_batches=7, limit_val_batches=1).global_step == 14


def test_validation_is_the_mean_over_data_and_leaves_training_alone():
    watched, unwatched = small_vae(), small_vae()
    trainer = fit(watched, max_epochs=2)
    fit(unwatched, max_epochs=2, check_val_every_n_epoch=10)
    assert torch.equal(weights(watched), weights(unwatched))
    data, total = Bits(batch_size=10, eval_batch_size=10), 0.0
    for position, batch in enumerate(data.batches("val")):
        torch.manual_seed(seed_of("validation", position))
        total += watched.report(batch)["elbo"].item() * len(batch.x)
    assert trainer.callback_metrics["val/elbo"].item() == pytest.approx(total / 25, rel=1e-6)


def test_resume_is_exact_from_every_block_and_validation_end(tmp_path):
    spy, model = Spy(tmp_path), rich_model()
    fit(model, max_epochs=2, val_every_n_steps=5, callbacks=[spy])
    assert len(spy.saved) > 8
    for path in spy.saved:
        resumed = rich_model()
        trainer = fit(resumed, resume=path, max_epochs=2, val_every_n_steps=5)
        assert trainer.global_step == 26, path.name
        assert torch.equal(weights(model), weights(resumed)), path.name


def test_resume_is_exact_with_another_block_size(tmp_path):
    spy, model = Spy(tmp_path), rich_model()
    fit(model, max_epochs=2, callbacks=[spy])
    for path in spy.saved[:3]:
        resumed = rich_model()
        fit(resumed, resume=path, max_epochs=2, log_every_n_steps=3)
        assert torch.equal(weights(model), weights(resumed)), path.name


def test_a_run_stopped_by_max_steps_goes_on_as_if_it_had_not(tmp_path):
    whole, parts = small_vae(), small_vae()
    fit(whole, max_steps=20)
    fit(parts, max_steps=12, callbacks=[Newest(str(tmp_path), every_seconds=None)])
    resumed = small_vae()
    fit(resumed, resume=tmp_path / "last.ckpt", max_steps=20)
    assert torch.equal(weights(whole), weights(resumed))


def test_a_run_without_a_last_validation_can_be_made_longer(tmp_path):
    whole, parts = small_vae(), small_vae()
    fit(whole, max_epochs=3, check_val_every_n_epoch=5)
    fit(parts, max_epochs=2, check_val_every_n_epoch=5, callbacks=[Newest(str(tmp_path), every_seconds=None)])
    resumed = small_vae()
    fit(resumed, resume=tmp_path / "last.ckpt", max_epochs=3, check_val_every_n_epoch=5)
    assert torch.equal(weights(whole), weights(resumed))


def test_a_longer_run_keeps_the_schedule_it_began_with(tmp_path):
    fit(small_vae(schedule=Cosine(1, 0)), max_epochs=2, callbacks=[Newest(str(tmp_path), every_seconds=None)])
    model = small_vae(schedule=Cosine(1, 0))
    fit(model, resume=tmp_path / "last.ckpt", max_epochs=3)
    assert model.schedule(model.step).item() == pytest.approx(0, abs=1e-6)
    assert model.schedule.until == 25


def test_a_schedule_of_any_weight_is_bound_and_observes():
    torch.manual_seed(11)
    rising = beta_vae(beta=Linear(0, 1), densities=small_densities(), optimizer=adam())
    trainer = fit(rising, max_epochs=2)
    assert 0.5 < trainer.callback_metrics["train/beta"] < 1
    flat = beta_vae(beta=Plateau(patience=0, min_delta=1e6), densities=small_densities(), optimizer=adam())
    fit(flat, max_epochs=3)
    assert flat.costs[0].weight.factor.item() == pytest.approx(0.25)


def test_a_plateau_of_what_is_not_reported_is_refused():
    with pytest.raises(ValueError, match="monitor=val/nope is not reported: choose one of val/elbo"):
        fit(small_vae(schedule=Plateau(), monitor="val/nope"), max_epochs=1)


def test_a_second_fit_starts_its_own_stepper_and_keeps_its_start():
    model = small_vae()
    starts = []
    model.densities.initialise = lambda data, mean: starts.append(mean)
    fit(model, max_epochs=1)
    assert model._stepper is None
    model.guard = Guard(clip_norm=1e-9)
    before = weights(model)
    fit(model, max_epochs=1, callbacks=[seen := Steppers()])
    assert seen.guards == {model.guard}
    assert not torch.equal(weights(model), before)
    assert len(starts) == 1


class Steppers(Callback):
    """The guards of a fit."""

    def __init__(self):
        self.guards = set()

    def on_train_batch_end(self, trainer, module, *_):
        self.guards.add(module._stepper.guard)


def test_an_error_within_validation_gives_the_weights_back():
    model = small_vae(ema=0.5)
    report, calls = model.report, []

    def fails_later(batch):
        calls.append(weights(model))
        if len(calls) > 4:
            raise RuntimeError("stop")
        return report(batch)

    model.report = fails_later
    trained = []
    model.on_train_epoch_end = lambda: trained.append(None)
    with pytest.raises(RuntimeError, match="stop"):
        fit(model, max_epochs=5)
    live = [p.detach().clone() for p in model.densities.parameters()]
    assert not all(torch.equal(a, b) for a, b in zip(live, model.ema.shadow(), strict=True))


def test_the_average_starts_from_the_initialised_weights():
    model = small_vae(ema=0.999)
    model.densities.initialise = lambda data, mean: next(model.densities.parameters()).data.add_(1)
    model.optimizer = adam(lr=0.0)
    fit(model, max_steps=2)
    torch.testing.assert_close(model.ema.shadow(), [p.detach() for p in model.densities.parameters()])


def test_determinism_and_time_limits_reach_lightning(tmp_path):
    make_trainer(max_epochs=1, deterministic=True, accelerator="cpu")
    assert torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(False)
    newest = Newest(str(tmp_path), every_seconds=None)
    assert fit(small_vae(), max_epochs=10**6, max_time="00:00:00:01", callbacks=[newest]).global_step < 10**6
    assert newest.path.exists()


class Poison(Callback):
    def on_train_batch_start(self, trainer, module, *_):
        if trainer.global_step >= 10:
            with torch.no_grad():
                next(module.parameters()).fill_(float("nan"))


def test_lightnings_summary_of_one_row_is_left_out_whether_or_not_rich_is_installed():
    trainer = make_trainer(max_epochs=1, accelerator="cpu", enable_checkpointing=False)
    assert not any(isinstance(callback, ModelSummary) for callback in trainer.callbacks)


def test_nan_stops_with_the_steps_and_the_last_good_state_stays(tmp_path):
    Distribution.set_default_validate_args(False)  # as in training
    newest = Newest(str(tmp_path), every_n_steps=5, every_seconds=None)
    with pytest.raises(NotFinite, match="at step 11, in loss, elbo"):
        fit(small_vae(), max_epochs=3, callbacks=[newest, Poison()])
    state = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert state["global_step"] == 10
    assert all(torch.isfinite(t).all() for t in state["state_dict"].values())


def test_early_stopping_works_as_it_is():
    stop = EarlyStopping("val/elbo", mode="max", patience=0, min_delta=1e6)
    assert fit(small_vae(), max_epochs=9, callbacks=[stop]).current_epoch == 2


def test_plateau_observes_the_monitored_cost():
    model = small_vae(schedule=Plateau(patience=0, min_delta=1e6))
    fit(model, max_epochs=3)
    assert model.schedule.factor.item() == pytest.approx(0.25)


def test_a_plateau_of_a_bound_that_improves_keeps_its_rate():
    model = small_vae(schedule=Plateau(patience=0), optimizer=adam(lr=3e-3))
    trainer = fit(model, max_epochs=4, callbacks=[track := Track("val/elbo")])
    assert track.values == sorted(track.values)
    assert len(track.values) == 4
    assert model.schedule.factor.item() == 1.0
    assert trainer.global_step == 52


class Track(Callback):
    """A metric after every validation."""

    def __init__(self, name):
        self.name, self.values = name, []

    def on_validation_end(self, trainer, _):
        self.values.append(trainer.callback_metrics[self.name].item())


def test_a_schedule_of_ones_own_is_shown_the_monitored_cost():
    class Seen(Observing):
        def __init__(self):
            super().__init__()
            self.values = []

        def forward(self, step):
            return torch.ones(())

        def bind(self, length):
            pass

        def observe(self, value):
            self.values.append(value.item())

    model = small_vae(schedule=Seen())
    fit(model, max_epochs=2, callbacks=[track := Track("val/elbo")])
    assert model.schedule.values == pytest.approx([-value for value in track.values])


def test_the_weight_average_is_what_is_validated():
    model = small_vae(ema=0.999)
    trainer = fit(model, max_epochs=1)
    plain = fit(small_vae(), max_epochs=1).callback_metrics["val/elbo"]
    assert trainer.callback_metrics["val/elbo"] < plain - 0.05  # the average has hardly left the start


def test_float64_and_bfloat16_run():
    wide = small_vae()
    fit(wide, max_epochs=1, precision="64-true")
    assert next(wide.parameters()).dtype == torch.float64
    torch.set_default_dtype(torch.float32)
    narrow, plain = small_vae(), small_vae()
    mixed = fit(narrow, max_epochs=1, precision="bf16-mixed")
    full = fit(plain, max_epochs=1)
    assert next(narrow.parameters()).dtype == torch.float32
    assert not torch.equal(weights(narrow), weights(plain))
    assert mixed.callback_metrics["val/elbo"].item() == pytest.approx(full.callback_metrics["val/elbo"].item(), abs=0.3)


def test_count_uses_what_lightning_still_has():
    trainer = L.Trainer(logger=False, enable_checkpointing=False, enable_progress_bar=False, accelerator="cpu")
    progress = trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress
    before = trainer.fit_loop.epoch_loop._batches_that_stepped
    count(trainer, 7)
    assert progress.total.completed == progress.current.ready == 7
    assert trainer.fit_loop.epoch_loop._batches_that_stepped == before + 6


def test_the_block_divides_the_validation_interval():
    assert [block_size(50, every) for every in (None, 120, 7, 1)] == [50, 40, 7, 1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gradient_clip_val": 1.0}, "use model.clip_norm"),
        ({"accumulate_grad_batches": 2}, "use model.accumulate"),
        ({"val_check_interval": 0.5}, "use trainer.val_every_n_steps"),
        ({"overfit_batches": 1}, "use trainer.limit_train_batches"),
        ({"accelerator": "mps"}, "no device 'mps': choose auto, gpu or cpu"),
        ({"max_epochs": None}, "no end: set trainer.max_epochs"),
        ({"precision": "16-mixed"}, "choose 32-true, 64-true, bf16-mixed"),
        ({"strategy": "fsdp"}, "choose auto, ddp"),
        ({"log_every_n_steps": 0}, "at least 1 step"),
        ({"limit_train_batches": 0.5}, "a whole number of steps"),
        ({"limit_val_batches": 0}, "at least 1"),
        ({"max_epochs": 0}, "train for at least one"),
    ],
)
def test_options_that_do_nothing_here_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make_trainer(**({"max_epochs": 1} | options))


def test_validation_less_than_once_an_epoch_in_steps_is_refused():
    with pytest.raises(ValueError, match="longer than an epoch .13 steps.: use trainer.check_val_every_n_epoch"):
        fit(small_vae(), max_epochs=1, val_every_n_steps=26)


def test_a_run_of_one_process_is_not_continued_on_two(tmp_path):
    spy = Spy(tmp_path)
    fit(small_vae(), max_epochs=1, callbacks=[spy])
    state = torch.load(spy.saved[0], weights_only=True)
    state["rng"] *= 2
    torch.save(state, tmp_path / "two.ckpt")
    with pytest.raises(ValueError, match="trainer.devices=2"):
        fit(small_vae(), resume=tmp_path / "two.ckpt", max_epochs=1)
