"""Mistakes in common/."""

from tests.planting import Mistake

MISTAKES = [
    Mistake(
        "common/rng.py",
        'name = "/".join([purpose, *(str(int(number)) for number in numbers)])',
        'name = "/".join([purpose, *sorted(str(int(number)) for number in numbers)])',
        "tests/common/test_rng.py",
    ),
]
