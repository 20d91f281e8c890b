"""Mistakes in models of several layers of latents."""

from tests.planting import Mistake

EXACT = "tests/densities/test_hierarchy.py"
EVALUATED = "tests/evaluation/test_layers.py"
COMPOSED = "tests/models/test_hierarchies.py"
FILE = "densities/hierarchy.py"


def of(file: str, tests: str, *changes: tuple[str, str]) -> list[Mistake]:
    """Mistakes in one file that the same tests must see."""
    return [Mistake(file, old, new, tests) for old, new in changes]


MISTAKES = [
    *of(
        FILE,
        EXACT,
        (
            "prior(*(latent.z for latent in latents[-1:]), *given)",
            "prior(*(latent.z for latent in latents[:1]), *given)",
        ),
        ("() if latents else shape).z", "shape).z"),
        ("posterior(drawn[-1].z if drawn else x, *given)", "posterior(drawn[0].z if drawn else x, *given)"),
        ("prior(latents[-1].z, *given), closed_form=False)", "prior(latents[-1].z, *given))"),
        ("prior(latents[-1].z, *given), closed", "prior(latents[-1].z.detach(), *given), closed"),
        ("self.likelihood(latents[-1].z, *given)", "self.likelihood(latents[0].z, *given)"),
        ("of_z1(x, z2.z, *given)", "of_z1(x, z2.q.mean, *given)"),
        ("self.priors[1](z2.z, *given)", "self.priors[1](z2.q.mean, *given)"),
        ("self.priors[1](z2.z, *given)", "self.priors[1](0 * z2.z, *given)"),
        ("self.likelihood(z1.z, z2.z, *given)", "self.likelihood(z2.z, z1.z, *given)"),
        ("self.likelihood(z1.z, z2.z, *given)", "self.likelihood(z1.z, 0 * z2.z, *given)"),
        ("for below, above in pairwise(shapes))]", "for above, below in pairwise(shapes))]"),
        ("BottomUp(spec, shapes[::-1], ", "BottomUp(spec, shapes, "),
        ("TwoLayer(spec, (z2, z1), ", "TwoLayer(spec, (z1, z2), "),
        ("upward = inner if posterior_sees_conditions else ", "upward = inner if True else "),
        ("lower = inner if posterior_sees_conditions else ", "lower = inner if True else "),
        ("elif any(isinstance(part, OfPosterior) for part in p.modules()):", "elif False:"),
        ("initialise_parts(self, self.likelihood, data, mean)", "pass"),
        ("if len(shapes) != 2:", "if False:"),
        ("    if not dims:", "    if False:"),
    ),
    *of(
        "densities/checks.py",
        EXACT,
        ("        _check_divergence(latent.q, latent.p)", "        pass"),
    ),
    *of(
        "densities/base.py",
        EXACT,
        (
            "shapes = shapes[: [*accumulate(map(prod, shapes))].index(z.shape[-1]) + 1]",
            "shapes = shapes[:1]",
        ),
        ("        part.initialise(data, mean)", "        pass"),
    ),
    *of(
        "densities/terms.py",
        EXACT,
        ("layers = [latent for latent in reversed(self.latents) if", "layers = [latent for latent in self.latents if"),
        ("        if len(layers) < 2:", "        if len(layers) < 1:"),
    ),
    *of(
        "densities/terms.py",
        "tests/evaluation/test_class_in_code.py",
        ("reversed(self.latents) if not latent.is_class]", "reversed(self.latents)]"),
    ),
    *of(
        "densities/terms.py",
        COMPOSED,
        (
            '({name: rate.mean() for name, rate in terms.layer_rates.items()} if "rate" in means else {})',
            "{}",
        ),
    ),
    *of(
        "densities/latents.py",
        EXACT,
        ("(q.log_prob(self.z) - p.log_prob(self.z)).flatten", "(p.log_prob(self.z) - q.log_prob(self.z)).flatten"),
    ),
    *of(
        "models/checks.py",
        EXACT,
        ("if estimator is not keep_gradient and len(latents) > 1:", "if False:"),
    ),
    *of(
        "models/piwae.py",
        EXACT,
        ("trainable(self.densities.posterior)", "trainable(self.densities.posterior[:1])"),
    ),
    *of(
        "evaluation/likelihood.py",
        EVALUATED,
        ("means |= {name: rate.mean(0) for name, rate in terms.layer_rates.items()}", "pass"),
        ("dict.fromkeys(found, RATE_OF_LAYER) | KINDS", "dict.fromkeys(found, NLL) | KINDS"),
    ),
    *of(
        "evaluation/representation.py",
        EVALUATED,
        ("k=1 if len(densities.code_shapes) > 1 else None", "k=None"),
        ("for shape in reversed(densities.code_shapes)]", "for shape in densities.code_shapes]"),
        ("enumerate(parts, 1)", "enumerate(parts)"),
    ),
    *of(
        "evaluation/figures/generative.py",
        EVALUATED,
        ("walks = upper_codes_of(densities, batch)[0]", "walks = codes_of(densities, batch)[0]"),
        ("return z[:, z.shape[1] - sum(sizes) :]", "return z[:, : sum(sizes)]"),
    ),
]
