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
        "evaluation/quadrature.py",
        "tests/evaluation/test_quadrature.py",
        ("log_cell = dim * log", "log_cell = log"),
        ("2 * bound / (num - 1)", "2 * bound / num"),
        ("weight * (of - to)", "weight * (to - of)"),
        (".log_lik.double() + drawn.only().log_p.double()", ".log_lik.double()"),
        ("log_true = log_joint - log_evidence", "log_true = log_joint"),
        ("torch.where(weight > 0, weight * (of - to), 0.0)", "(weight * (of - to))"),
        ("(mass - 1).abs() < TOLERANCE", "(mass - 1).abs() < 2"),
        ("at_border < TOLERANCE", "at_border < 2"),
        ("if value.isfinite().all()}", "}"),
    ),
    *of(
        "distributions/normal_mixture.py",
        "tests/distributions/test_normal_mixture.py",
        ("return z - moves", "return z + moves"),
        (".cumsum(-1) - log_densities", ".cumsum(-1)"),
        ("- ranks[..., None] * mean_score", ""),
        ("scores = -standard / normal.scale", "scores = -standard"),
        (".softmax(-2)  # P", ".exp()  # P"),
        (".exponential_().log()", ".exponential_()"),
    ),
    *of(
        "distributions/uniform.py",
        "tests/distributions/test_uniform.py",
        ("Uniform(centre - half,", "Uniform(centre,"),
        ("Uniform(-self.bound,", "Uniform(0 * self.bound,"),
    ),
    *of(
        "densities/checks.py",
        "tests/distributions/test_uniform.py",
        (".isinf().any()", ".isnan().any()"),
    ),
    *of(
        "evaluation/figures/posterior.py",
        "tests/evaluation/test_quadrature.py",
        ("away = points.unsqueeze(1) - mean", "away = points.unsqueeze(1) + mean"),
        ("torch.linalg.inv(covariance)", "covariance"),
    ),
    *of(
        "evaluation/annealed.py",
        "tests/evaluation/test_annealed.py",
        ("is_discrete(latent.p)", "not latent.p.has_rsample"),
    ),
]
