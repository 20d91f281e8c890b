"""What the tests of data sets share."""

from collections.abc import Callable

import pytest
import torch

from elbolab.batch import Support
from elbolab.data.module import DataModule


@pytest.fixture
def agrees() -> Callable[[DataModule], None]:
    """Asserts that the batches of every split are what the spec says."""
    return _agrees


def _agrees(data: DataModule) -> None:
    spec = data.spec
    for split in ("train", "val", "test"):
        batch = next(iter(data.batches(split, limit=1)))
        assert batch.x.shape[1:] == spec.x
        assert batch.x.dtype == torch.get_default_dtype()
        _check_values(batch.x, spec.support, spec.levels)
        assert (batch.y is None) == (spec.num_classes is None)
        assert batch.y is None or set(batch.y.tolist()) <= set(range(spec.num_classes))
        assert (batch.factors is None) == (not spec.factors)
        assert batch.factors is None or (batch.factors < torch.tensor(spec.factors)).all()
    assert data.train_mean().shape == spec.x


def _check_values(x: torch.Tensor, support: Support, levels: int | None) -> None:
    assert x.isfinite().all()
    if support is not Support.REAL:
        assert x.min() >= 0
        assert x.max() <= 1
    if levels is not None:
        steps = x.double() * (levels - 1)
        assert torch.allclose(steps, steps.round(), atol=1e-4)
        assert len(x.unique()) > 2 or support is Support.BINARY
