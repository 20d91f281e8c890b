"""Mistakes in distributions on curved spaces."""

from tests.planting import Mistake

SPHERE = "tests/distributions/test_hypersphere.py"

MISTAKES = [
    *(
        Mistake("distributions/hypersphere.py", old, new, SPHERE)
        for old, new in (
            ("log(2) + dim / 2 * log(pi)", "dim / 2 * log(pi)"),
            ("REACH = 12.0", "REACH = 4.0"),
            ("NUM_NODES = 64", "NUM_NODES = 8"),
            ("+ power * angles.sin().log()", "+ (power + 1) * angles.sin().log()"),
            ("drops = 2 * (angles / 2)", "drops = 4 * (angles / 2)"),
            ("return -self.concentration * drop -", "return self.concentration * drop -"),
            ("return self.concentration * drop +", "return -self.concentration * drop +"),
            ("- loc.detach() * (turned * z)", "+ loc.detach() * (turned * z)"),
            ("* (cosine * across - sine * loc.detach())", "* (cosine * across + sine * loc.detach())"),
            ("rotation = cosine * turned", "rotation = turned"),
            ("z + rotation + bent * slope", "z + rotation + 0 * bent * slope"),
            ("torch.where(is_above, (angle - reach)", "torch.where(is_above, (angle + reach)"),
            ("concentration[..., None] * rise + power", "concentration[..., None] * rise + 0 * power"),
            ("noise - (noise * loc).sum(-1, keepdim=True) * loc", "noise"),
            ("epsilon = (1 + point[..., 0]) / 2", "epsilon = torch.rand_like(kappa)"),
            ("is_accepted = torch.rand_like(kappa).log() <= log_accept", "is_accepted = log_accept <= 1"),
            ("(dim - 1) * ((1 + b) / (2 * scale)).log()", "dim * ((1 + b) / (2 * scale)).log()"),
            ("return p.entropy() - q.entropy()", "return q.entropy() - p.entropy()"),
            ("raw[..., :-1] + self.axis", "raw[..., :-1]"),
            ("(value.norm(dim=-1) - 1).abs() < TOLERANCE", "value.norm(dim=-1) > 0"),
        )
    ),
    Mistake("densities/checks.py", "if is_on_sphere(q) != is_on_sphere(p):", "if False:", SPHERE),
    Mistake("evaluation/annealed.py", "and is_on_sphere(latent.p)", "and False", "tests/evaluation/test_annealed.py"),
]
