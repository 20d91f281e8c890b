"""Mistakes in benchmark/."""

from tests.planting import Mistake

MISTAKES = [
    Mistake(
        "benchmark/bound.py",
        "return torch.cat(log_w).logsumexp(0) - log(num_samples)",
        "return torch.cat(log_w).logsumexp(0) - log(chunk)",
        "tests/benchmark/test_bound.py",
    ),
    Mistake(
        "benchmark/results.py",
        "return median(own / other for own, other in",
        "return median(other / own for own, other in",
        "tests/benchmark/test_results.py",
    ),
    Mistake(
        "benchmark/measure.py",
        "return max(1, min(most, round(pilot.rate * seconds)))",
        "return max(1, min(most, round(pilot.amount * seconds)))",
        "tests/benchmark/test_measure.py",
    ),
]
