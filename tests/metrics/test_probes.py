import numpy as np
import pytest

from elbolab.metrics.probes import knn_accuracy, linear_probe_accuracy


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def blobs(rng):
    """Three classes ten standard deviations apart, beside a constant dimension."""
    y = rng.integers(3, size=300)
    codes = np.eye(3)[y] * 10 + rng.normal(size=(300, 3))
    codes = np.hstack([codes, np.ones((300, 1))])
    return codes[:200], y[:200], codes[200:], y[200:]


@pytest.fixture
def ring(rng):
    """The class is the radius: no line separates it, neighbours do."""
    y = rng.integers(2, size=600)
    angle = rng.uniform(0, 2 * np.pi, size=600)
    codes = (1 + 2 * y)[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return codes[:400], y[:400], codes[400:], y[400:]


def test_both_read_separated_classes(blobs):
    assert linear_probe_accuracy(*blobs).mean() == 1.0
    assert knn_accuracy(*blobs, num_neighbours=5).mean() == 1.0


def test_correctness_is_per_datum(blobs):
    train_codes, train_y, test_codes, test_y = blobs
    wrong = test_y.copy()
    wrong[3] = (wrong[3] + 1) % 3
    expected = np.ones(100)
    expected[3] = 0
    assert linear_probe_accuracy(train_codes, train_y, test_codes, wrong).tolist() == expected.tolist()
    assert knn_accuracy(train_codes, train_y, test_codes, wrong, num_neighbours=5).tolist() == expected.tolist()


def test_a_line_cannot_read_a_ring_and_neighbours_can(ring):
    assert linear_probe_accuracy(*ring).mean() < 0.65
    assert knn_accuracy(*ring, num_neighbours=5).mean() == 1.0


def test_the_linear_probe_does_not_depend_on_scale(rng):
    y = rng.integers(2, size=400)
    codes = y[:, None] + rng.normal(size=(400, 3))
    scaled = codes * [1e-6, 1.0, 1e6] + [0.0, 5.0, 0.0]
    plain, other = (linear_probe_accuracy(c[:200], y[:200], c[200:], y[200:]) for c in (codes, scaled))
    assert plain.tolist() == other.tolist()


def test_the_nearest_neighbour_of_a_training_code_is_itself(rng):
    codes, y = rng.normal(size=(50, 2)), rng.integers(4, size=50)
    assert knn_accuracy(codes, y, codes, y, num_neighbours=1).all()


def test_more_neighbours_than_data_is_all_data(rng):
    codes, y = rng.normal(size=(5, 2)), np.array([1, 1, 1, 0, 0])
    assert knn_accuracy(codes, y, codes, y, num_neighbours=9).tolist() == [1, 1, 1, 0, 0]
