"""Warnings of scikit-learn while classifiers are fitted, in words for somebody who did not write the fit."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from sklearn.exceptions import ConvergenceWarning

ADVICE = "The number of unique classes is greater than 50%"
"""Said where most classes occur once: they might be the values of a regression. Ours are classes."""

log = logging.getLogger(__name__)


@contextmanager
def explain_warnings(split: str) -> Iterator[None]:
    """Leaves out advice to programmers, and logs once how many fits of classifiers have not converged.

    Args:
        split: what is measured.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    unconverged = [warning for warning in caught if issubclass(warning.category, ConvergenceWarning)]
    if unconverged:
        log.warning("%s: %d fits of classifiers have not converged; theirs are lower bounds", split, len(unconverged))
    for warning in caught:
        if warning not in unconverged and not str(warning.message).startswith(ADVICE):
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
