import numpy as np
import pytest

from elbolab.metrics import few_labels
from elbolab.metrics.few_labels import few_label_errors

NAMES = ["knn", "logistic", "svm"]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def blobs(rng, num, num_draws=1):
    """Three classes five standard deviations apart."""
    y = np.arange(num) % 3
    return np.eye(3)[y] * 5 + rng.normal(size=(num_draws, num, 3)), y


def test_all_read_separated_classes_from_few_labels(rng):
    (draws, y), (codes, labels) = blobs(rng, 15, num_draws=4), blobs(rng, 90)
    errors = few_label_errors(draws, y, codes[0], labels)
    assert list(errors) == NAMES
    for wrong in errors.values():
        assert wrong.shape == (90,)
        assert wrong.mean() < 0.05


def test_errors_are_per_datum(rng):
    (draws, y), (codes, labels) = blobs(rng, 30, num_draws=2), blobs(rng, 9)
    right = few_label_errors(draws, y, codes[0], labels)
    labels = labels.copy()
    labels[3] = (labels[3] + 1) % 3
    for name, wrong in few_label_errors(draws, y, codes[0], labels).items():
        assert wrong[3] == 1 - right[name][3]
        assert np.delete(wrong, 3).tolist() == np.delete(right[name], 3).tolist()


def test_options_are_chosen_within_the_labelled_data():
    """A ring inside another: a line cannot read them, the chosen kernel can."""
    rng = np.random.default_rng(1)
    y = np.arange(460) % 2
    angle = rng.uniform(0, 2 * np.pi, size=460)
    codes = (1 + 2 * y)[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    errors = few_label_errors(codes[None, :60], y[:60], codes[60:], y[60:])
    assert errors["logistic"].mean() > 0.3
    assert errors["svm"].mean() < 0.02
    assert errors["knn"].mean() < 0.02


def test_neighbours_are_chosen_and_counted_in_data(rng):
    """Where classes overlap, the nearest datum is wrong more often than the nearest three, four draws of each."""
    y, labels = np.arange(300) % 2, np.arange(3_000) % 2
    centres, codes = (1.5 * of[:, None] + rng.normal(size=(len(of), 1)) for of in (y, labels))
    draws = centres + 0.02 * rng.normal(size=(4, 300, 1))
    found = few_label_errors(draws, y, codes, labels)["knn"].mean()
    nearest = labels != y[np.abs(codes - centres.T).argmin(1)]
    assert found < nearest.mean() - 0.02


def test_of_many_labels_a_balanced_choice_is_seen(rng, monkeypatch):
    """The cost must not grow with the square of ten thousand labels."""
    monkeypatch.setattr(few_labels, "MOST", 30)
    (draws, y), (codes, labels) = blobs(rng, 300, num_draws=2), blobs(rng, 9)
    chosen, classes = few_labels._choose_few(draws, y)
    assert chosen.shape == (2, 30, 3)
    assert np.bincount(classes).tolist() == [10] * 3
    sizes = []
    search = few_labels.GridSearchCV
    monkeypatch.setattr(
        few_labels, "GridSearchCV", lambda *a, cv: sizes.append(sum(map(len, cv[0]))) or search(*a, cv=cv)
    )
    few_label_errors(draws, y, codes[0], labels)
    assert sizes == [60] * 3


def test_draws_of_one_datum_are_not_split_over_folds(rng, monkeypatch):
    """A neighbour that is another draw of the datum itself would make every option look perfect."""
    (draws, y), (codes, labels) = blobs(rng, 21, num_draws=3), blobs(rng, 3)
    held = []
    search = few_labels.GridSearchCV
    monkeypatch.setattr(few_labels, "GridSearchCV", lambda *a, cv: held.extend(cv) or search(*a, cv=cv))
    few_label_errors(draws, y, codes[0], labels)
    assert len(held) == 3 * 5  # classifiers, folds
    for train, test in held:
        assert not set(train % 21) & set(test % 21)
        assert np.bincount(np.tile(y, 3)[test]).min() >= 3


@pytest.mark.parametrize(("num", "searches"), [(3, 0), (5, 0), (6, 3), (9, 3)])
def test_options_are_chosen_where_something_can_be_held_out(rng, monkeypatch, num, searches):
    (draws, y), (codes, labels) = blobs(rng, num, num_draws=2), blobs(rng, 3)
    folds, search = [], few_labels.GridSearchCV
    monkeypatch.setattr(few_labels, "GridSearchCV", lambda *a, cv: folds.append(len(cv)) or search(*a, cv=cv))
    few_label_errors(draws, y, codes[0], labels)
    assert folds == [num // 3] * searches


def test_one_label_a_class_is_enough_to_fit(rng):
    (draws, y), (codes, labels) = blobs(rng, 3), blobs(rng, 30)
    errors = few_label_errors(draws, y, codes[0], labels)
    assert list(errors) == NAMES


def test_constant_codes_tell_nothing():
    y = np.arange(12) % 2
    for wrong in few_label_errors(np.ones((2, 12, 3)), y, np.ones((6, 3)), y[:6]).values():
        assert wrong.mean() == 0.5


def test_no_more_neighbours_are_tried_than_a_fold_leaves(rng):
    """Two data of each of three classes leave three in each fold, and no fit of more voters fails with a warning."""
    (draws, y), (codes, labels) = blobs(rng, 6, num_draws=2), blobs(rng, 9)
    assert few_label_errors(draws, y, codes[0], labels)["knn"].shape == (9,)
