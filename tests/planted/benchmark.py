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
    Mistake(
        "benchmark/scaling.py",
        "[1e6 / m.rate for m in rounds]",
        "[1e3 / m.rate for m in rounds]",
        "tests/benchmark/test_scaling.py",
    ),
    Mistake(
        "benchmark/bound.py",
        "rate = -0.5 * (1 + log_variance - loc.square() - log_variance.exp()).sum()",
        "rate = -0.5 * (1 + log_variance - loc.square() - log_variance).sum()",
        "tests/benchmark/test_bound.py",
    ),
    Mistake(
        "benchmark/memory.py",
        'return int(fields["VmHWM"].split()[0]) * 1024 / MEGABYTE',
        'return int(fields["VmHWM"].split()[0]) / MEGABYTE',
        "tests/benchmark/test_measure.py",
    ),
]
