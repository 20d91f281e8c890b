"""New data become what training made of its own."""

import numpy as np
import pytest
import torch

from elbolab.batch import Canvas, Scaling, Spec, Support, name_by_number
from elbolab.data.arrays import OwnArrays
from elbolab.data.given import take_apart
from elbolab.data.new_data import Intake, arrange_axes, as_array

CPU = torch.device("cpu")
RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (60, 4, 6), dtype=np.uint8)
LEVELS = Spec((1, 4, 6), Support.UNIT, 256)
UNIT = Spec((1, 4, 6), Support.UNIT)
BITS = Spec((1, 4, 6), Support.BINARY, 2)
REAL = Spec((3,), Support.REAL)
CLASSES = BITS._replace(classes=("1", "2", "cat"), given=((3,),), given_is_label=True)


def taken(intake, x, *given):
    return intake.batch(intake.take(x, given), CPU)


def own(tmp_path, *, name="x.npz", **options):
    return OwnArrays(tmp_path / name, **({"batch_size": 5} | options))


@pytest.mark.parametrize("dtype", ["u1", "u2", "i8", "i2", "<u4"])
def test_levels_are_scaled_whatever_integers_they_are(dtype):
    expected = torch.from_numpy(GREY / 255).float()[:, None]
    assert torch.equal(taken(Intake(LEVELS), GREY.astype(dtype)).x, expected)
    assert torch.equal(taken(Intake(LEVELS), (GREY / 255)[:, None]).x, expected)
    dark = np.minimum(GREY, 1)  # a batch of zeros and ones is one of levels still
    assert taken(Intake(LEVELS), dark.astype(dtype)).x.max() == pytest.approx(1 / 255)


def test_new_rows_become_what_training_made_of_the_same_rows(tmp_path):
    labels, given = RNG.integers(1, 4, 60), RNG.integers(0, 256, (60, 3), dtype=np.uint8)
    for x, options in (
        (GREY, {}),
        (GREY / 255, {}),
        (GREY[..., None].repeat(3, -1), {"channels": "last"}),
        (GREY > 100, {}),
        (GREY.astype(float) * 3e4 - 7, {"standardise": True}),
        (GREY, {"given": "quadrants", "quadrants": 2}),
        (GREY, {"given": "own"}),
        (GREY, {"given": "labels"}),
        (GREY, {"binarize": "threshold"}),
        (GREY, {"binarize": "dynamic"}),
    ):
        np.savez(
            tmp_path / "x.npz", train=x, test=x, y_train=labels, y_test=labels, given_train=given, given_test=given
        )
        data = own(tmp_path, **options)
        batch = next(iter(data.batches("test")))
        kept = {name: options[name] for name in ("given", "binarize", "channels") if name in options}
        conditions = {"own": (given,), "labels": (labels,)}.get(options.get("given"), ())
        new = taken(Intake(data.spec, **kept), x, *conditions)
        assert torch.equal(new.x, batch.x), options
        assert len(new.given) == len(batch.given)
        for one, other in zip(new.given, batch.given, strict=True):
            assert torch.equal(one, other), options


@pytest.mark.parametrize(
    ("spec", "x", "words"),
    [
        (LEVELS, GREY.astype("f4"), "x has floats from 0 to 255.*256 levels.*integers.*floats from 0 to 1"),
        (LEVELS, GREY.astype(int) - 1, "integers from -1"),
        (LEVELS, GREY.astype(int) + 1, "integers from 1 to 256"),
        (UNIT, GREY, "integers.*floats from 0 to 1.*x / 255"),
        (UNIT, np.minimum(GREY, 1), "integers.*floats from 0 to 1.*x / 255"),  # dark pixels, or white ones
        (UNIT, GREY / 128, "floats from 0 to 1.99"),
        (UNIT, GREY / -255, "floats from -1"),
        (BITS, GREY, "integers.*zeros and ones"),
        (BITS, GREY / 255, "floats.*zeros and ones"),
        (LEVELS, np.where(GREY > 250, np.nan, GREY / 255), "NaN"),
        (REAL, np.full((2, 3), np.inf), "NaN or infinite"),
        (REAL, np.array([[0.0, 0, 0], [0, 0, 1e300]]), "float32.*row 1"),
        (REAL._replace(scaling=Scaling((0.0,) * 3, (1e-9,) * 3)), np.array([[0.0, 0, 0], [0, 0, 1e35]]), "32 in row 1"),
        (LEVELS, GREY.astype(str), "numbers"),
        (LEVELS, GREY.astype(complex), "numbers"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_values_that_training_would_have_refused_are_refused(spec, x, words):
    with pytest.raises(ValueError, match=words):
        Intake(spec).take(x)


def test_real_numbers_are_standardised_in_double(tmp_path):
    spec = REAL._replace(scaling=Scaling((1e9, 0.0, 0.0), (1.0, 10.0, 1e-3)))
    x = np.array([[1e9 + 0.25, 5, 0], [1e9, 0, 2e-3]])
    assert torch.equal(taken(Intake(spec), x).x, torch.tensor([[0.25, 0.5, 0.0], [0.0, 0.0, 2.0]]))
    whole = np.array([[7, 10, 0]])  # whole numbers are numbers
    torch.testing.assert_close(taken(Intake(REAL), whole).x, torch.tensor([[7.0, 10.0, 0.0]]))


def test_grey_levels_are_binarised_as_the_test_data_and_bits_are_bits():
    intake = Intake(BITS, binarize="dynamic", binarize_seed=3)
    one, other = taken(intake, GREY).x, taken(intake, GREY).x
    assert torch.equal(one, other)
    assert set(one.unique().tolist()) == {0.0, 1.0}
    assert not torch.equal(one, taken(Intake(BITS, binarize="dynamic", binarize_seed=4), GREY).x)
    sure = np.where(GREY > 127, 255, 0).astype(np.uint8)
    assert torch.equal(taken(intake, sure).x, torch.from_numpy(sure / 255).float()[:, None])
    for bits in (GREY > 127, (GREY > 127).astype(int), (GREY > 127).astype(float)):
        assert torch.equal(taken(intake, bits).x, torch.from_numpy(GREY > 127).float()[:, None])
    with pytest.raises(ValueError, match="zeros and ones"):
        intake.take(GREY / 255)


@pytest.mark.parametrize(
    ("shape", "event", "channels", "found"),
    [
        ((7, 4, 6), (1, 4, 6), "auto", "add"),
        ((7, 1, 4, 6), (1, 4, 6), "auto", "same"),
        ((7, 4, 6, 1), (1, 4, 6), "auto", "last"),
        ((7, 4, 6, 3), (3, 4, 6), "auto", "last"),
        ((7, 3, 3, 3), (3, 3, 3), "auto", "same"),
        ((7, 3, 3, 3), (3, 3, 3), "last", "last"),
        ((7, 3, 4, 6), (3, 4, 6), "last", "same"),  # those of the run's own batches
        ((7, 5, 4, 6, 2), (2, 5, 4, 6), "auto", "last"),
        ((7, 4, 6), (1, 1, 4, 6), "auto", None),
        ((7, 24), (1, 4, 6), "auto", None),
        ((4, 6), (1, 4, 6), "auto", None),
    ],
)
def test_layouts_of_files_are_those_of_new_data(shape, event, channels, found):
    x = np.arange(np.prod(shape)).reshape(shape)
    ways = {"same": x, "last": np.moveaxis(x, -1, 1), "add": x[:, None]}
    arrangement = arrange_axes(x, event, channels)
    assert (arrangement is None) == (found is None)
    if found is not None:
        np.testing.assert_array_equal(arrangement, ways[found])


def test_whole_images_are_taken_apart_and_parts_are_taken_as_they_are():
    canvas = Canvas((1, 4, 6), 1)
    x, seen = take_apart(canvas, torch.from_numpy(GREY / 255).float()[:, None])
    spec = Spec((18,), Support.UNIT, 256, given=((6,),), canvas=canvas)
    for batch in (taken(Intake(spec), GREY), taken(Intake(spec), x.numpy(), seen.numpy())):
        assert torch.equal(batch.x, x)
        assert torch.equal(batch.given[0], seen)


def test_labels_are_given_by_the_names_of_their_classes():
    x = np.zeros((3, 4, 6))
    for labels in (np.array(["2", "cat", "1"]), np.array(["2", "cat", "1"], dtype=object), np.eye(3)[[1, 2, 0]]):
        assert torch.equal(taken(Intake(CLASSES), x, labels).given[0], torch.eye(3)[[1, 2, 0]])
    assert torch.equal(taken(Intake(CLASSES), x, np.array([1, 2, 1])).given[0], torch.eye(3)[[0, 1, 0]])
    numbers = Intake(CLASSES._replace(classes=("1", "2", "2.5")))
    for labels in ([1.0, 2.0, 2.5], [[1.0], [2.0], [2.5]], np.float32([1, 2, 2.5]), np.array([b"1", b" 2", b"2.5"])):
        assert torch.equal(taken(numbers, x, np.asarray(labels)).given[0], torch.eye(3))
    with pytest.raises(ValueError, match=r"condition 1 has the shape \(3,\) of one datum: give a batch"):
        numbers.take(x, [np.array([0.0, 1.0, 0.0])])
    with pytest.raises(ValueError, match="label has no value in 1 of 3 rows"):
        numbers.take(x, [np.array([1, np.nan, 2])])
    with pytest.raises(ValueError, match="label=0: this run has the classes 1, 2, cat"):
        Intake(CLASSES).take(x, [np.array([0, 1, 2])])
    digits = Intake(CLASSES._replace(classes=name_by_number(3)))
    assert torch.equal(taken(digits, x, np.array([0, 2, 1])).given[0], torch.eye(3)[[0, 2, 1]])


@pytest.mark.parametrize(
    ("levels", "values", "found"),
    [
        (256, np.array([[0, 51]], np.uint8), [0.0, 0.2]),
        (256, np.array([[0, 1]], np.uint8), [0.0, 1 / 255]),
        (256, np.array([[0.5, 1.0]]), [0.5, 1.0]),
        (None, np.array([[0, 1]], np.uint8), [0.0, 1.0]),
        (None, np.array([[True, False]]), [1.0, 0.0]),
        (None, np.array([[-3.5, 40.0]]), [-3.5, 40.0]),
    ],
)
def test_conditions_have_the_scale_of_training(levels, values, found):
    spec = REAL._replace(given=((2,),), given_levels=levels)
    torch.testing.assert_close(taken(Intake(spec, "own"), np.zeros((1, 3)), values).given[0], torch.tensor([found]))


@pytest.mark.parametrize(
    ("levels", "values", "words"),
    [
        (None, np.array([[0, 51]], np.uint8), "zeros and ones, or floats"),
        (256, np.array([[0, 300]]), "levels from 0 to 255"),
        (None, np.array([[np.nan, 1.0]]), "NaN"),
        (None, np.array([[1.0, 1.0, 1.0]]), r"condition 1 has shape \(1, 3\).*\(B, 2\)"),
    ],
)
def test_conditions_on_another_scale_are_refused(levels, values, words):
    spec = REAL._replace(given=((2,),), given_levels=levels)
    with pytest.raises(ValueError, match=words):
        Intake(spec, "own").take(np.zeros((1, 3)), [values])


def test_no_data_are_no_data():
    assert taken(Intake(LEVELS), np.zeros((0, 4, 6))).x.shape == (0, 1, 4, 6)


def test_tensors_of_any_type_are_arrays():
    for dtype in (torch.bfloat16, torch.float16, torch.uint8, torch.bool):
        np.testing.assert_array_equal(as_array(torch.ones(2, dtype=dtype, requires_grad=False)), np.ones(2))
    assert as_array(torch.ones(2, requires_grad=True)).dtype == np.float32
    np.testing.assert_array_equal(as_array([[1, 2]]), [[1, 2]])
