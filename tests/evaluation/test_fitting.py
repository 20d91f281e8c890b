"""What scikit-learn warns of is told in words for a user, or kept back."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from elbolab.evaluation.evaluate import explain_warnings
from elbolab.metrics.probes import linear_probe_accuracy


def test_classes_that_occur_once_are_no_matter_for_a_user(caplog):
    """Of 24 data of 24 classes scikit-learn says that they could represent a regression problem."""
    codes, y = np.random.default_rng(0).normal(size=(24, 2)), np.arange(24)
    with pytest.warns(UserWarning, match="unique classes"):
        linear_probe_accuracy(codes, y, codes, y)
    with explain_warnings("test"):
        linear_probe_accuracy(codes, y, codes, y)
    assert caplog.records == []


def test_fits_that_have_not_converged_are_counted(caplog):
    with explain_warnings("test"):
        for _ in range(2):
            warnings.warn("lbfgs failed to converge", ConvergenceWarning, stacklevel=1)
    assert caplog.messages == ["test: 2 fits of classifiers have not converged; theirs are lower bounds"]


def test_other_warnings_come_through():
    with pytest.warns(RuntimeWarning, match="another"), explain_warnings("test"):
        warnings.warn("another", RuntimeWarning, stacklevel=1)
