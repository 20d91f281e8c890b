"""Mistakes in common/."""

from tests.planting import Mistake

MISTAKES = [
    Mistake(
        "common/rng.py",
        'name = "/".join([purpose, *(str(int(number)) for number in numbers)])',
        'name = "/".join([purpose, *sorted(str(int(number)) for number in numbers)])',
        "tests/common/test_rng.py",
    ),
    Mistake("common/screen.py", ".columns >= NARROW", ".columns >= 0", "tests/common/test_screen.py"),
    Mistake(
        "common/screen.py",
        'DUMB = ("", "dumb", "unknown")',
        'DUMB = ("dumb", "unknown")',
        "tests/common/test_screen.py",
    ),
]
