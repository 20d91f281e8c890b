import pytest
from tests.benchmark.test_options import GOOD

from elbolab.benchmark import scaling
from elbolab.benchmark.options import Options
from elbolab.benchmark.scaling import Point, points_of, scale, table


def test_ratios_are_medians_over_rounds():
    points = points_of("batch", "us/step", {32: [1.0, 4.0, 2.0], 128: [3.0, 4.0, 8.0]})
    assert points == [
        Point("batch", 32, 2.0, "us/step", 1.0, 1.0),
        Point("batch", 128, 4.0, "us/step", 3.0, 4.0),
    ]


def test_the_table():
    points = points_of("batch", "us/step", {32: [1234.5], 128: [2469.0]})
    assert table(points).splitlines() == [
        "axis   value   time  unit     ratio  value / first",
        "batch     32  1,234  us/step   1.00              1",
        "batch    128  2,469  us/step   2.00              4",
    ]


def test_every_axis_is_measured(case, monkeypatch):
    asked = []

    def train(case, batch, steps, watch, num_samples=1):
        asked.append((batch, num_samples, case.original.latent_dim))
        watch.seconds = 1e-4 * steps * (batch + num_samples)

    def mlp(device, latent_dim=3):
        case.original.latent_dim = latent_dim
        return case

    monkeypatch.setattr(scaling, "train", train)
    monkeypatch.setattr(scaling, "mlp", mlp)
    options = Options.of(**GOOD | {"repeats": 2, "seconds": 0.8})
    points = scale(options, {"batch": (10, 20), "samples": (1, 2), "latent": (3, 6)})
    assert [(p.axis, p.value, p.unit) for p in points[:-4]] == [
        *(("batch", value, "us/step") for value in (10, 20)),
        *(("samples", value, "us/step") for value in (1, 2)),
        *(("latent", value, "us/step") for value in (3, 6)),
    ]
    assert points[0].time == pytest.approx(1100)
    assert [p.ratio for p in points[-4:]] == pytest.approx([1, 2, 4, 8])
    assert [(p.axis, p.value, p.unit) for p in points[-4:]] == [("steps", 8 * i, "s") for i in (1, 2, 4, 8)]
    assert {(10, 1), (20, 1), (128, 1), (128, 2)} == {(batch, num_samples) for batch, num_samples, _ in asked}
    assert {latent for _, _, latent in asked} == {3, 6}
    assert points[0]._asdict() == {
        "axis": "batch",
        "value": 10,
        "time": pytest.approx(1100),
        "unit": "us/step",
        "ratio": 1.0,
        "factor": 1.0,
    }


def test_samples_reach_the_model(case, counting, monkeypatch):
    from elbolab.benchmark import ours

    seen = []
    vae = ours.VAE
    monkeypatch.setattr(ours, "VAE", lambda **options: seen.append(options["num_samples"]) or vae(**options))
    ours.train(case, 10, 2, counting, num_samples=4)
    assert seen == [4]
    assert counting.steps == 2
