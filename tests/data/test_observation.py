import pytest

from elbolab.data.observation import Observation


def test_it_is_one_datum_over_and_over():
    data = Observation([1.5, -2.0], train_size=4, val_size=3, test_size=2, batch_size=2)
    assert [len(split.x) for split in data.load()] == [4, 3, 2]
    assert {tuple(row) for split in data.load() for row in split.x.tolist()} == {(1.5, -2.0)}
    assert data.header().x == (2,)


@pytest.mark.parametrize("change", [{"x": []}, {"x": [1.0], "train_size": 0}])
def test_what_is_no_observation(change):
    with pytest.raises(ValueError, match=r"data\.(x|train_size)"):
        Observation(**change)
