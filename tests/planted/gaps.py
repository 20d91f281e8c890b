"""Mistakes in what tells how good q is: the gaps of the ELBO."""

from tests.planting import Mistake

GAPS = "tests/evaluation/test_gaps.py"


def of(file: str, tests: str, *changes: tuple[str, str]) -> list[Mistake]:
    """Mistakes in one file that the same tests must see."""
    return [Mistake(file, old, new, tests) for old, new in changes]


MISTAKES = [
    *of(
        "evaluation/gaps.py",
        GAPS,
        ('"inference_gap": log_px - amortised', '"inference_gap": log_px - optimised'),
        ('"approximation_gap": log_px - optimised', '"approximation_gap": log_px - amortised'),
        ('"amortisation_gap": optimised - amortised', '"amortisation_gap": amortised - optimised'),
        ("loss = -elbo_of", "loss = elbo_of"),
        (".mean(0).sum()", ".mean(0).logsumexp(0)"),
        ("LinearLR(optimizer, 1.0, 0.0, self.num_steps)", "LinearLR(optimizer, 1.0, 1.0, self.num_steps)"),
        (".sum(0) / self.num_draws", ".mean(0)"),
        ("drawn_log_q=log_q)", ")"),
        ("and q is not latent.p and", "and"),
        ("and q.has_rsample]", "]"),
        ("if q is latent.q and", "if"),
    ),
    *of(
        "evaluation/annealed.py",
        "tests/evaluation/test_annealed.py",
        ("is_discrete(latent.p)", "not latent.p.has_rsample"),
    ),
]
