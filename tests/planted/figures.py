"""Mistakes in evaluation/figures/."""

from tests.planting import Mistake

MISTAKES = [
    Mistake(
        "evaluation/figures/curves.py",
        "values[steps >= TRANSIENT * last]",
        "values[steps <= TRANSIENT * last]",
        "tests/evaluation/test_curves.py",
    ),
    Mistake(
        "evaluation/figures/kl_map.py",
        'order = np.argsort(-kl[-1], kind="stable")',
        'order = np.argsort(-kl[0], kind="stable")',
        "tests/callbacks/test_kl_map.py",
    ),
    Mistake(
        "evaluation/figures/generative.py",
        'torch.meshgrid(horizontal, vertical.flip(0), indexing="xy")',
        'torch.meshgrid(horizontal, vertical, indexing="xy")',
        "tests/evaluation/test_figures.py",
    ),
    Mistake(
        "evaluation/figures/generative.py",
        "classes = torch.where(steps < 0.5, first, last)",
        "classes = torch.where(steps > 0.5, first, last)",
        "tests/evaluation/test_class_in_code.py",
    ),
]
