"""Whether a stage was trained on the data of the run that builds on it."""

import pytest
from omegaconf import OmegaConf

from elbolab.batch import Spec, Support
from elbolab.runs.run_dir import RunDir
from elbolab.runs.stages import Stage, check_same_data


def test_stages_of_before_classes_had_names_are_taken(tmp_path):
    """Fashion-MNIST, KMNIST and CIFAR-10 had the classes 0 to 9 in runs of before; their data set is compared too."""
    cfg = OmegaConf.create({"data": {"_target_": "elbolab.data.vision.CIFAR10"}})
    here = Spec((3, 2, 2), Support.UNIT, 256, classes=("cat", "dog"))

    def check(classes: tuple[str, ...], spec: Spec = here) -> None:
        stage = Stage("pretrained.m1", RunDir(tmp_path), cfg, here._replace(classes=classes), {})
        check_same_data({"m1": stage}, cfg, spec)

    check(("cat", "dog"))
    check(("0", "1"))
    check(("cat", "dog"), here._replace(classes=("0", "1")))
    for other in (("0", "1", "2"), ("dog", "cat"), ("1", "2"), ()):
        with pytest.raises(ValueError, match="pretrained.m1 was trained on other data: classes"):
            check(other)
