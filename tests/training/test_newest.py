"""When the newest state is saved, and what it then holds."""

import resource

import pytest
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from tests.helpers import fit, small_vae

from elbolab.training.guard import NotFinite
from elbolab.training.newest import Newest


def test_newest_saves_at_the_first_block_end_after_each_multiple(tmp_path):
    seen = []
    newest = Newest(str(tmp_path), every_n_steps=6, every_seconds=None)
    save = newest.save
    newest.save = lambda trainer, module: (seen.append(trainer.global_step), save(trainer, module))
    fit(small_vae(), max_epochs=2, callbacks=[newest], check_val_every_n_epoch=5)
    assert seen == [10, 13, 18, 26]  # not 5 and 23; 26 is the end of the run, which no validation saves
    assert [p.name for p in tmp_path.iterdir()] == ["last.ckpt"]


def test_newest_saves_by_time(tmp_path):
    fit(small_vae(), max_epochs=1, callbacks=[Newest(str(tmp_path), every_seconds=0.0)], check_val_every_n_epoch=5)
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"] == 13


def test_the_last_state_is_saved_whatever_ends_the_run(tmp_path):
    for name, options in {"epochs": {"max_epochs": 2}, "steps": {"max_steps": 12}}.items():
        newest = Newest(str(tmp_path / name), every_seconds=None)
        trainer = fit(small_vae(), callbacks=[newest], check_val_every_n_epoch=5, **options)
        assert torch.load(newest.path, weights_only=True)["global_step"] == trainer.global_step


def test_no_saved_state_stands_before_a_validation_that_resume_would_skip(tmp_path):
    seen = []
    newest = Newest(str(tmp_path), every_n_steps=1, every_seconds=None)
    save = newest.save
    newest.save = lambda trainer, module: (
        seen.append((trainer.global_step, trainer.validating)),
        save(trainer, module),
    )
    fit(small_vae(), max_epochs=1, val_every_n_steps=6, log_every_n_steps=3, callbacks=[newest])
    assert [step for step, validating in seen if validating] == [6, 12]
    assert [step for step, validating in seen if not validating] == [3, 9, 13]


def test_the_saved_state_holds_what_the_other_callbacks_have_just_seen(tmp_path):
    best = ModelCheckpoint(tmp_path, "best", monitor="val/elbo", mode="max", save_on_train_epoch_end=False)
    stop = EarlyStopping("val/elbo", mode="max", patience=5, min_delta=1e6, check_on_train_epoch_end=False)
    newest = Newest(str(tmp_path), every_seconds=None)
    fit(small_vae(), max_epochs=3, callbacks=[best, newest, stop])
    states = torch.load(tmp_path / "last.ckpt", weights_only=True)["callbacks"]
    scores = [state["best_model_score"] for name, state in states.items() if "ModelCheckpoint" in name]
    waits = [state["wait_count"] for name, state in states.items() if "EarlyStopping" in name]
    assert scores == [best.best_model_score]
    assert waits == [stop.wait_count] == [2]


def test_a_state_that_is_not_finite_is_not_saved(tmp_path):
    class Late(Callback):
        def on_train_batch_end(self, trainer, module, *_):
            with torch.no_grad():
                next(module.parameters()).fill_(float("inf"))

    with pytest.raises(NotFinite, match="is not finite"):
        fit(small_vae(), max_epochs=1, callbacks=[Late(), Newest(str(tmp_path), every_n_steps=5)])
    assert not (tmp_path / "last.ckpt").exists()


def test_a_full_disk_leaves_no_half_state(tmp_path):
    """A limit on the size of files cuts a write short, as a full disk does."""
    trainer = fit(small_vae(), max_epochs=1, callbacks=[newest := Newest(str(tmp_path))])
    whole = (tmp_path / "last.ckpt").read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match=r"File too large: '.*last.ckpt'"):
            newest.save(trainer, trainer.lightning_module)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [p.name for p in tmp_path.iterdir()] == ["last.ckpt"]
    assert (tmp_path / "last.ckpt").read_bytes() == whole


def test_checkpoints_are_written_where_they_belong(tmp_path, monkeypatch):
    """By way of another file system they would be copied, and a kill would leave half of one."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    best = ModelCheckpoint(str(tmp_path), "best", monitor="val/elbo", mode="max")
    fit(small_vae(), max_epochs=1, callbacks=[best, Newest(str(tmp_path))])
    assert {p.name for p in tmp_path.iterdir()} == {"best.ckpt", "last.ckpt"}
