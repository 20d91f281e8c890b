"""What the judge of a search is told of a trial, and after a resume."""

from tests.helpers import fit, small_vae

from elbolab.callbacks.prune import Prune, was_pruned
from elbolab.training.newest import Newest


def judged(told, last=99):
    """A callback that notes what its judge is told; the verdict is to end at validation ``last``."""

    def judge(number, value):
        told.append((number, None if value is None else round(value, 6)))
        return number >= last

    return Prune("val/elbo", judge)


def newest(folder):
    return Newest(str(folder), every_seconds=None)


def test_every_validation_is_told_with_its_number_and_value(tmp_path):
    told = []
    trainer = fit(small_vae(), max_epochs=3, callbacks=[judged(told)])
    assert [number for number, _ in told] == [1, 2, 3]
    assert told[-1][1] == round(float(trainer.callback_metrics["val/elbo"]), 6)
    assert len({value for _, value in told}) == 3
    assert not was_pruned(trainer)


def test_a_resumed_trial_asks_again_and_counts_on(tmp_path):
    """Killed after two validations: the word on the second may have been lost."""
    whole, first, rest = [], [], []
    fit(small_vae(), max_epochs=4, callbacks=[judged(whole)])
    fit(small_vae(), max_epochs=2, callbacks=[judged(first), newest(tmp_path)])
    fit(small_vae(), max_epochs=4, callbacks=[judged(rest), newest(tmp_path)], resume=tmp_path / "last.ckpt")
    assert first == whole[:2]
    assert rest == [(2, None), *whole[2:]]


def test_a_verdict_ends_the_training():
    told = []
    trainer = fit(small_vae(), max_epochs=9, callbacks=[judged(told, last=2)])
    assert [number for number, _ in told] == [1, 2]
    assert trainer.global_step == 26
    assert was_pruned(trainer)
