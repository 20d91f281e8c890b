"""What a model is conditioned on."""

from math import prod

import numpy as np
import pytest
import torch
from tests.helpers import refused
from torch import nn

from elbolab.batch import Canvas, Spec, Support, name_by_number
from elbolab.data.digits import Digits
from elbolab.data.fetch import Finish, Rows
from elbolab.data.given import assemble, choose_given, pixel_indices, seen_mask, take_apart
from elbolab.data.module import DataModule
from elbolab.reading.splits import Arrays, Splits

ON_DEVICE = torch.device("meta")  # has no values: what would make the host wait for one raises
IMAGES = Spec((2, 5, 6), Support.BINARY, levels=2, classes=name_by_number(4), factors=(3, 2, 4))
VECTORS = Spec((3,), Support.REAL)


class Kept(DataModule):
    """The given splits; ``arrays`` for all three."""

    def __init__(self, spec: Spec, *splits: Arrays, **base):
        super().__init__(**({"batch_size": 4} | base))
        self._kept, self._spec = Splits(*(splits if len(splits) == 3 else splits * 3)), spec

    def header(self):
        return self._spec

    def load(self):
        return self._kept


def images(num: int = 20, packed: bool = False, draws: bool = False) -> Arrays:
    rng = np.random.default_rng(num)
    x = rng.integers(5 if draws else 2, size=(num, 2, 5, 6), dtype=np.uint8)
    factors = np.stack([rng.integers(size, size=num) for size in IMAGES.factors], 1)
    bits = np.packbits(x.reshape(num, -1), axis=1) if packed else x
    shape = (2, 5, 6) if packed else None
    return Arrays(bits, rng.integers(4, size=num), factors, 5 if draws else 2, draws, shape)


def only(data: DataModule, split: str = "test"):
    (batch,) = data.batches(split)
    return batch


@pytest.mark.parametrize(
    ("given", "shape"), [("labels", (4,)), ("factors", (9,)), ("none", None)], ids=["labels", "factors", "none"]
)
def test_conditions_have_the_shape_of_the_spec(given, shape):
    data = Kept(IMAGES, images(), given=given)
    assert data.spec.given == (() if shape is None else (shape,))
    assert data.spec._replace(given=(), given_is_label=False) == IMAGES
    assert [tuple(condition.shape[1:]) for condition in only(data).given] == list(data.spec.given)


def test_factors_are_one_hot_vectors_one_behind_the_other():
    batch = only(Kept(IMAGES, images(), given="factors"))
    expected = [nn.functional.one_hot(batch.factors[:, i], size) for i, size in enumerate(IMAGES.factors)]
    assert torch.equal(batch.given[0], torch.cat(expected, 1).float())


@pytest.mark.parametrize("quadrants", [1, 2, 3])
@pytest.mark.parametrize("packed", [False, True])
def test_quadrants_are_parts_of_the_image(quadrants, packed):
    whole = only(Kept(IMAGES, images()))
    data = Kept(IMAGES, images(packed=packed), given="quadrants", quadrants=quadrants)
    parts = only(data)
    assert data.spec.canvas == Canvas((2, 5, 6), quadrants)
    assert (parts.x.shape[1:], parts.given[0].shape[1:]) == (data.spec.x, *data.spec.given)
    assert torch.equal(assemble(data.spec.canvas, parts.x, *parts.given), whole.x)
    assert torch.equal(parts.y, whole.y)
    assert data.spec == Spec.from_json(data.spec.to_json())


def test_a_binary_image_is_drawn_whole_before_it_is_taken_apart():
    arrays = images(draws=True)
    whole = only(Kept(IMAGES, arrays), "train")
    data = Kept(IMAGES, arrays, given="quadrants", quadrants=2)
    parts = only(data, "train")
    assert torch.equal(assemble(data.spec.canvas, parts.x, *parts.given), whole.x)


@pytest.mark.parametrize("quadrants", [1, 3])
def test_the_training_mean_is_that_of_the_predicted_pixels(quadrants):
    data = Digits(given="quadrants", quadrants=quadrants)
    expected = take_apart(data.spec.canvas, Digits().train_mean()[None])[0][0]
    assert torch.equal(data.train_mean(), expected)
    assert data.train_mean().shape == data.spec.x


@pytest.mark.parametrize("resident", [True, False])
def test_training_batches_have_conditions(resident):
    data = Kept(IMAGES, images(), given="quadrants", quadrants=1, resident=resident)
    for block in data.train_dataloader():
        for batch in block:
            assert (batch.x.shape[1:], batch.given[0].shape[1:]) == (data.spec.x, *data.spec.given)


@pytest.mark.parametrize("shape", [(7,), (2, 4, 4)])
@pytest.mark.parametrize("resident", [True, False])
def test_own_conditions_stay_with_their_data(shape, resident):
    x = np.arange(60.0).reshape(20, 3)
    given = np.ones((20, *shape)) * x[:, 0].reshape(20, *(1 for _ in shape))
    data = Kept(VECTORS._replace(given=(shape,)), Arrays(x, given=given), given="own", resident=resident)
    seen = [batch for block in data.train_dataloader() for batch in block]
    assert sorted(torch.cat([batch.x for batch in seen])[:, 0].tolist()) == x[:, 0].tolist()
    for batch in [*seen, only(data)]:
        assert batch.given[0].shape == (len(batch.x), *shape)
        assert torch.equal(batch.given[0].flatten(1)[:, 0], batch.x[:, 0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_own_bytes_are_levels_and_booleans_are_numbers(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        for given, expected in [
            (np.array([[0], [51], [255]], np.uint8), [0, 0.2, 1]),
            (np.array([[False], [True], [True]]), [0, 1, 1]),
            (np.array([[-3.0], [2.0], [0.5]]), [-3, 2, 0.5]),
        ]:
            own = choose_given("own", None).on(VECTORS, "cpu")
            (condition,) = Finish(Arrays(np.zeros((3, 1))), own, "cpu")(
                Rows.of(Arrays(np.zeros((3, 1)), given=given))
            ).given
            assert condition.dtype == dtype
            torch.testing.assert_close(condition[:, 0], torch.tensor(expected, dtype=dtype))
    finally:
        torch.set_default_dtype(before)


@pytest.mark.parametrize(("name", "is_label"), [("labels", True), ("factors", False), ("own", False), ("none", False)])
def test_a_spec_says_whether_the_condition_is_the_label(name, is_label):
    """Not so of a vector of the same length, of which centres of classes would make nothing."""
    header = Spec((1, 4, 4), Support.BINARY, given=((3,),), classes=name_by_number(3), factors=(1, 2))
    spec = choose_given(name, None).spec(header, "data")
    assert spec.given_is_label == is_label
    assert Spec.from_json(spec.to_json()) == spec
    before = {key: value for key, value in spec.to_json().items() if key != "given_is_label"}
    assert Spec.from_json(before).given_is_label == (spec.given == ((3,),)), "specs of before did not say so"


@pytest.mark.parametrize("name", ["labels", "factors", "own", "quadrants"])
def test_conditions_are_work_of_the_device_alone(name):
    """So that a captured step may hold it."""
    arrays = Arrays(np.zeros((6, 2, 5, 6), np.uint8), np.zeros(6), np.zeros((6, 3)), 2, given=np.zeros((6, 7)))
    given = choose_given(name, 1 if name == "quadrants" else None)
    finish = Finish(arrays, given.on(IMAGES._replace(given=((7,),)), ON_DEVICE), ON_DEVICE)
    rows, indices = Rows.of(arrays).to(ON_DEVICE), torch.empty(4, dtype=torch.int64, device=ON_DEVICE)
    batch = finish(rows.select(indices))
    spec = given.spec(IMAGES._replace(given=((7,),)), "these")
    assert (batch.x.shape, batch.given[0].shape) == ((4, *spec.x), (4, *spec.given[0]))


@pytest.mark.parametrize(
    ("spec", "options", "message"),
    [
        (VECTORS, {"given": "classes"}, "data.given=classes: choose none, labels, factors, own, quadrants"),
        (
            VECTORS,
            {"given": "factors"},
            "Kept has no factors: set data.given=none, or choose data=dsprites",
        ),
        (VECTORS, {"given": "own"}, r"data.given=own, but Kept brings no conditions .* an array given \(given_train"),
        (VECTORS, {"given": "quadrants", "quadrants": 1}, r"only images have quarters, .* of Kept has shape \(3,\)"),
        (IMAGES._replace(x=(1, 1, 8)), {"given": "quadrants", "quadrants": 1}, r"has shape \(1, 1, 8\)"),
        (IMAGES, {"given": "quadrants"}, r"data.quadrants=None: set data.quadrants to 1 \(bottom left seen\)"),
        (IMAGES, {"given": "quadrants", "quadrants": 4}, "data.quadrants=4: set data.quadrants to 1"),
        (IMAGES, {"given": "quadrants", "quadrants": True}, "data.quadrants=True: set data.quadrants to 1"),
        (
            IMAGES,
            {"quadrants": 2},
            "data.quadrants=2 has no effect: set data.given=quadrants, or set data.quadrants=null",
        ),
        (IMAGES, {"given": "labels", "quadrants": 2}, "data.quadrants=2 has no effect"),
    ],
)
def test_conditions_that_cannot_be_had(spec, options, message):
    with refused(message):
        Kept(spec, images(), **options).spec  # noqa: B018


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (Arrays(np.zeros((4, 3))), r"the test split has conditions of shapes \(\), where the spec says \(\(2,\),\)"),
        (Arrays(np.zeros((4, 3)), given=np.zeros((4, 3))), r"conditions of shapes \(\(3,\),\), where"),
        (Arrays(np.zeros((4, 3)), given=np.zeros((5, 2))), "the test split has 4 data, but 5 conditions"),
    ],
)
def test_conditions_unlike_the_header(arrays, message):
    good = Arrays(np.zeros((4, 3)), given=np.zeros((4, 2)))
    with pytest.raises(ValueError, match=message):
        Kept(VECTORS._replace(given=((2,),)), good, good, arrays, given="own").splits  # noqa: B018


@pytest.mark.parametrize(
    "factors",
    [
        np.full((20, 3), 3),
        np.full((20, 3), -1),
        np.zeros((20, 2), int),
        *(np.tile(row, (20, 1)) for row in np.diag([3, 2, 4])),
    ],
)
def test_factors_beyond_their_sizes(factors):
    with pytest.raises(ValueError, match=r"the train split has factors beyond the sizes \(3, 2, 4\)"):
        Kept(IMAGES, Arrays(images().x, images().y, factors, 2)).splits  # noqa: B018


def test_conditions_take_memory_too():
    """Whether data fit a device is decided by it."""
    x, given = np.zeros((4, 3)), np.zeros((4, 5))
    assert Arrays(x, given=given).nbytes == x.nbytes + given.nbytes


SIZES = [(1, 28, 28), (3, 4, 6), (1, 5, 7), (2, 3, 2)]
CANVASES = [Canvas(image, quadrants) for image in SIZES for quadrants in (1, 2, 3)]


@pytest.mark.parametrize(
    ("quadrants", "seen"),
    [
        (1, [[0, 0, 0, 0], [0, 0, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0]]),
        (2, [[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0]]),
        (3, [[1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 0, 0]]),
    ],
)
def test_the_quarters_of_the_paper(quadrants, seen):
    assert seen_mask(Canvas((1, 4, 4), quadrants)).int().tolist() == [seen]


@pytest.mark.parametrize("quadrants", [1, 2, 3])
def test_every_channel_is_cut_alike(quadrants):
    mask = seen_mask(Canvas((3, 6, 5), quadrants))
    assert mask.shape == (3, 6, 5)
    assert torch.equal(mask, mask[:1].expand(3, 6, 5))


def test_the_middle_of_an_odd_side_belongs_to_the_bottom_and_the_right():
    assert seen_mask(Canvas((1, 3, 3), 1)).int().tolist() == [[[0, 0, 0], [1, 0, 0], [1, 0, 0]]]
    assert seen_mask(Canvas((1, 3, 3), 3)).int().tolist() == [[[1, 1, 1], [1, 0, 0], [1, 0, 0]]]


@pytest.mark.parametrize("canvas", CANVASES, ids=str)
def test_every_pixel_is_either_seen_or_predicted(canvas):
    assert sorted(torch.cat(pixel_indices(canvas)).tolist()) == list(range(prod(canvas.image)))


@pytest.mark.parametrize("canvas", CANVASES, ids=str)
def test_taking_apart_and_assembling_are_inverse(canvas):
    images = torch.randn(4, *canvas.image)
    x, seen = take_apart(canvas, images)
    assert torch.equal(seen, images[:, seen_mask(canvas)])
    assert torch.equal(assemble(canvas, x, seen), images)


def test_many_predictions_share_what_is_seen():
    canvas = Canvas((1, 4, 4), 1)
    x, seen = torch.randn(5, 2, 3, 12), torch.randn(3, 4)
    images = assemble(canvas, x, seen)
    assert images.shape == (5, 2, 3, 1, 4, 4)
    for index in [(0, 0, 0), (4, 1, 2)]:
        assert torch.equal(images[index], assemble(canvas, x[index][None], seen[index[2]][None])[0])
