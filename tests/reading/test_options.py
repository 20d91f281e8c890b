"""Ranges of options."""

import shlex
from functools import partial

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from elbolab.data.arrays import OwnArrays
from elbolab.data.digits import Digits
from elbolab.data.dsprites import DSprites
from elbolab.data.mnist import MNIST
from elbolab.data.toy import Toy
from elbolab.data.vision import CIFAR10
from elbolab.reading.options import check_number, check_whole, write_option

OWN = partial(OwnArrays, "x.npy")


def test_what_may_be():
    check_whole(1, size=1, limit=None)
    check_whole(0, seed=0)
    check_number(0, 1, fraction=1, other=0.0)
    check_number(0, float("inf"), noise=1e9)


@pytest.mark.parametrize("value", [0, -3, 2.0, "x", True])
def test_whole_numbers(value):
    with pytest.raises(ValueError, match=f"data.size={value}: a whole number, at least 1"):
        check_whole(1, size=value)


@pytest.mark.parametrize("value", [-0.1, 1.1, "x", None, False, float("nan"), float("inf")])
def test_numbers(value):
    with pytest.raises(ValueError, match=f"data.size={value}: a number from 0 to 1"):
        check_number(0, 1, size=value)
    if value != 1.1:
        with pytest.raises(ValueError, match=f"data.size={value}: a number from 0 up"):
            check_number(0, float("inf"), size=value)


WHOLE = {
    (Toy, 1): ("train_size", "val_size", "test_size"),
    (Toy, 0): ("data_seed",),
    (CIFAR10, 1): ("val_size",),
    (DSprites, 1): ("subset", "val_size", "test_size"),
    (DSprites, 0): ("split_seed",),
    (Digits, 0): ("split_seed", "binarize_seed"),
    (MNIST, 0): ("binarize_seed",),
    (OWN, 0): ("split_seed", "binarize_seed"),
}


@pytest.mark.parametrize(
    ("build", "least", "name"), [(build, least, name) for (build, least), names in WHOLE.items() for name in names]
)
def test_every_data_set_checks_its_own(build, least, name):
    build(**{name: least})
    for value in (least - 1, "x"):
        with pytest.raises(ValueError, match=f"data.{name}={value}: a whole number, at least {least}"):
            build(**{name: value})


@pytest.mark.parametrize(
    "name",
    [
        "age",
        "patient_id",
        "0",
        "01",
        "1e3",
        "null",
        "True",
        "sepal length (cm)",
        "a,b",
        "it's",
        'a "b"',
        "Größe",
        "x.1",
    ],
)
def test_options_are_typed_so_that_a_shell_and_hydra_read_the_names(name):
    for option, names in (("labels", name), ("ignore", [name, "other"])):
        (word,) = shlex.split(write_option(option, names))
        override = OverridesParser.create().parse_override(word)
        assert override.key_or_group == f"data.{option}"
        value = override.value()
        assert (list(map(str, value)) if isinstance(value, list) else str(value)) == names
