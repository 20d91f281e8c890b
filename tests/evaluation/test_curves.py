"""Numbers against optimiser steps, and against each other."""

import pytest

from elbolab.densities.latents import Undefined
from elbolab.evaluation.figures.curves import Point, loss_curves, rate_distortion, read_metrics

METRICS = """epoch,step,train/elbo,train/loss,val/elbo,lr
0,10,-500,500,,
0,20,-120,120,,0.1
0,20,,,-125,
1,30,-110,110,,
1,40,-100,100,,
1,40,,,-104,
"""


def test_metrics_are_read_at_their_own_steps(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text(METRICS)
    steps, values = read_metrics(path)["val/elbo"]
    assert steps.tolist() == [20, 40]
    assert values.tolist() == [-125, -104]


def test_loss_curves_show_what_was_logged_once(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text(METRICS)
    (axes,) = loss_curves(path).axes
    assert axes.get_title() == "ELBO (nats)"
    assert [line.get_label() for line in axes.lines] == ["train", "val"]
    path.write_text(METRICS.replace(",120,", ",150,"))
    assert [axes.get_title() for axes in loss_curves(path).axes] == ["ELBO (nats)", "loss (nats)"]


def curves_of(path, *columns, loss=lambda step: 7.0 - step):
    """The panels of a file with these columns, by title, with the labels of their lines."""
    values = {"train/loss": loss}
    rows = [
        [str(values.get(c, lambda step, i=i: -100 * i - step)(step)) for i, c in enumerate(columns)]
        for step in range(5)
    ]
    text = [",".join(["step", *columns]), *(",".join([str(step), *row]) for step, row in enumerate(rows))]
    path.write_text("\n".join(text) + "\n")
    axes = [axes for axes in loss_curves(path).axes if axes.lines]
    return {one.get_title(): [line.get_label() for line in one.lines] for one in axes}


def test_bounds_share_a_panel_and_make_their_loss_superfluous(tmp_path):
    columns = ["train/elbo", "train/dvae_bound", "val/elbo", "val/dvae_bound", "train/loss"]
    panels = curves_of(tmp_path / "metrics.csv", *columns, loss=lambda step: 100 + step)
    of_bound = ["train DVAE bound", "val DVAE bound"]
    assert panels == {"bounds (nats)": ["train ELBO", "val ELBO", *of_bound]}


def test_players_errors_and_distances_have_panels(tmp_path):
    players = ["style_critic_loss", "category_critic_loss", "generator_loss", "classifier_loss", "critic_penalty"]
    columns = ["train/loss", "train/distortion", *(f"train/{name}" for name in players), "train/grad_norm", "lr-Adam"]
    panels = curves_of(tmp_path / "metrics.csv", *columns, "val/distortion", "val/mmd2", "val/error", "train/error")
    assert list(panels)[:-1] == ["distortion (nats)", "loss (nats)", "losses by player (nats)", "error (fraction)"]
    assert list(panels)[-1] == "MMD² (squared distance)"
    assert panels["losses by player (nats)"] == [f"train {name.replace('_', ' ')}" for name in players]
    assert panels["error (fraction)"] == ["train", "val"]
    again = curves_of(tmp_path / "metrics.csv", *columns, loss=lambda step: -100.0 - step)
    assert list(again) == ["distortion (nats)", "losses by player (nats)"], "the loss is the distortion"


def test_what_validation_reports_besides_has_a_panel_of_its_own(tmp_path):
    columns = ["train/alpha", "train/iwae_bound", "train/gsnn_bound", "val/gsnn_bound", "val/word_accuracy"]
    panels = curves_of(tmp_path / "metrics.csv", *columns, "train/word_accuracy", "val/classification")
    assert panels == {
        "bounds (nats)": ["train iwae bound", "train gsnn bound", "val gsnn bound"],
        "classification (nats)": ["val"],
        "word accuracy": ["train", "val"],
    }


def test_many_panels_are_broken_into_rows(tmp_path):
    panels = curves_of(tmp_path / "metrics.csv", *(f"val/{name}" for name in "abcdef"))
    assert list(panels) == list("abcdef")
    width, height = loss_curves(tmp_path / "metrics.csv").get_size_inches()
    assert (width, height) == pytest.approx((4 * 2.9, 2 * 2.6))


def test_the_first_steps_do_not_set_the_scale(tmp_path):
    path = tmp_path / "metrics.csv"
    rows = [f"{step},{-1e6 if step < 3 else -100 - 50 / step}" for step in range(1, 101)]
    path.write_text("\n".join(["step,train/elbo", *rows]) + "\n")
    low, high = loss_curves(path).axes[0].get_ylim()
    assert -110 < low < high < -99


@pytest.mark.parametrize("text", [None, "", "step,epoch,train/elbo\n", "step,other\n1,2\n"])
def test_without_metrics_there_are_no_curves(tmp_path, text):
    path = tmp_path / "metrics.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(Undefined, match="no loss curves"):
        loss_curves(path)


def test_rate_distortion_marks_the_best_run():
    points = [Point("0.25", 40.0, 72.0), Point("1", 25.0, 75.0), Point("4", 12.0, 100.0)]
    axes = rate_distortion(points).axes[0]
    assert axes.get_legend().get_texts()[0].get_text() == "$-$ELBO 100.0, the best"
    assert axes.lines[0].get_xdata().tolist() == [12, 25, 40]
    assert {text.get_text() for text in axes.texts} == {"0.25", "1", "4"}
