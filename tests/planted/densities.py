"""Mistakes in densities/."""

from tests.planting import Mistake

CONTRACTS, LABELLED, TERMS = (f"tests/densities/test_{name}.py" for name in ("contracts", "labelled", "terms"))

LATENTS = "densities/latents.py"

MISTAKES = [
    Mistake(LATENTS, "replace(latent, z=z, q=None", "replace(latent, is_relaxed=False, z=z, q=None", TERMS),
    Mistake(LATENTS, "else latent.penalty[samples, data]", "else latent.penalty[data, samples]", TERMS),
    Mistake(
        "models/cvae.py", "Latents([drawn], terms.latents.state)", "Latents([drawn])", "tests/models/test_variants.py"
    ),
    Mistake(
        "densities/layer.py",
        "return self.likelihood(*given).expand(latents.state.shape[:-1])",
        "return self.likelihood(*(c.expand(*latents.state.shape[:-1], *s) for c, s in zip(given, self.spec.given)))",
        "tests/densities/test_conditional.py",
    ),
    Mistake(
        "densities/gradients.py",
        "value.detach() + (surrogate - surrogate.detach())",
        "value.detach() + surrogate - surrogate.detach()",
        "tests/densities/test_gradients.py",
    ),
    Mistake(
        "densities/gradients.py", "gradient * ctx.weight, None", "gradient, None", "tests/densities/test_gradients.py"
    ),
    Mistake(
        LATENTS,
        "(*pair)\n        return -self.log_ratio",
        "(*pair)\n        return self.log_ratio",
        TERMS,
    ),
    Mistake(LATENTS, "if pair is not None:", "if pair is None:", TERMS),
    Mistake(LATENTS, "return self.log_p - log_q", "return log_q - self.log_p", TERMS),
    Mistake(LATENTS, "or has_own or not self.closed_form:", "or not self.closed_form:", TERMS),
    Mistake(LATENTS, "or has_own or not self.closed_form:", "or has_own:", TERMS),
    Mistake(LATENTS, "drawn_log_q=log_q, drawn_log_p=log_p, pen", "drawn_log_q=log_p, drawn_log_p=log_q, pen", TERMS),
    Mistake(LATENTS, "self.state[samples, data])", "self.state[samples])", TERMS),
    Mistake(
        "models/cvae.py",
        "replace(latent, z=z, q=latent.p, drawn_log_q=log_p, drawn_log_p=log_p)",
        "replace(latent, q=latent.p, drawn_log_q=log_p, drawn_log_p=log_p)",
        "tests/models/test_cvae.py",
    ),
    Mistake("densities/terms.py", "cost if penalty is None else cost + penalty", "cost", TERMS),
    Mistake(
        "densities/terms.py",
        "return torch.zeros_like(self.log_lik)",
        "return torch.ones_like(self.log_lik)",
        TERMS,
    ),
    Mistake(
        "densities/base.py",
        "[part.flatten(1) for part in reversed(parts)]",
        "[part.flatten(1) for part in parts]",
        LABELLED,
    ),
    Mistake("densities/base.py", "top=top, draw=centre)", "top=top)", CONTRACTS),
    Mistake("densities/base.py", "self.infer(x, *given, draw=centre)", "self.infer(x, *given)", CONTRACTS),
    Mistake(
        "densities/layer.py",
        "q = p if self.posterior is None else self.posterior(x, *given)",
        "q = self.posterior(x, *given) if p is None else p",
        CONTRACTS,
    ),
    Mistake(
        "densities/terms.py",
        "return reduce(add, (latent.kl for latent in self.latents)).expand_as(self.log_lik)",
        "return self.latents[-1].kl.expand_as(self.log_lik)",
        TERMS,
    ),
    Mistake(
        "densities/terms.py",
        "return reduce(add, (latent.log_ratio for latent in self.latents), self.log_lik)",
        "return reduce(add, (latent.kl for latent in self.latents), self.log_lik)",
        TERMS,
    ),
    Mistake(
        "densities/terms.py",
        "return add_penalty(terms.rate - terms.log_lik, terms.penalty).mean()",
        "return add_penalty(terms.rate.detach() - terms.log_lik, terms.penalty).mean()",
        "tests/models/test_gradients.py",
    ),
    Mistake(
        "densities/labelled.py",
        "top[0] if top else draw(self.class_prior, shape).z",
        "top[0] if top else self.classes[0].expand(*shape, -1)",
        LABELLED,
    ),
    Mistake(
        "densities/labelled.py",
        "for p in (self.classifier(x), self.class_prior))",
        "for p in (self.class_prior, self.classifier(x)))",
        LABELLED,
    ),
    Mistake(
        "densities/checks.py",
        "return (recipe if sees_conditions else partial",
        "return (recipe if not sees_conditions else partial",
        "tests/densities/test_attributes.py",
    ),
    Mistake(
        "densities/tied.py",
        "F.linear(x.flatten(1) - self.tied.bias.flatten(), self.tied.weight)",
        "F.linear(x.flatten(1) + self.tied.bias.flatten(), self.tied.weight)",
        "tests/densities/test_contracts.py",
    ),
    Mistake(
        "densities/recurrent.py",
        "keep=1 + len(spec.given)",
        "keep=2 + len(spec.given)",
        "tests/densities/test_conditional.py",
    ),
    Mistake(
        "densities/stacked.py",
        "self.m2.log_class_probs(self._draw_lower(x, (), centre).z)",
        "self.m2.log_class_probs(self._draw_lower(x, (), sample).z)",
        "tests/densities/test_stacked.py",
    ),
    Mistake(
        "densities/denoising.py",
        "corrupted = densities.corrupt(x.expand(*corruption_shape, *x.shape))",
        "corrupted = densities.corrupt(x).expand(*corruption_shape, *x.shape)",
        "tests/densities/test_denoising.py",
    ),
    Mistake(
        "densities/checks.py", "part.training = training", "part.training = True", "tests/densities/test_contracts.py"
    ),
    Mistake("densities/base.py", "self.frozen = True", "self.frozen = False", "tests/densities/test_frozen.py"),
    Mistake(
        "densities/layer.py",
        "return Latents([Latent(draw(p, shape).z, p=p)])",
        "return Latents([Latent(draw(p, ()).z.expand(*shape, *p.batch_shape, *p.event_shape), p=p)])",
        "tests/evaluation/test_conditional_figures.py",
    ),
    Mistake(
        "densities/layer.py",
        "self._without_latents(shape, *given) if q is None else",
        "self._without_latents((), *given) if q is None else",
        "tests/densities/test_conditional.py",
    ),
    Mistake(
        "densities/base.py",
        "return prod(self.latent_shape) - self.class_dim",
        "return prod(self.latent_shape) - max(self.class_dim - 1, 0)",
        "tests/evaluation/test_class_in_code.py",
    ),
    Mistake(
        "densities/categorical.py",
        "return z, logits.log_softmax(-1)",
        "return z, logits.log_softmax(0)",
        "tests/densities/test_adversarial.py",
    ),
    Mistake(
        "densities/categorical.py",
        "p = self.prior().expand(y.shape[:-1])",
        "p = self.prior()",
        CONTRACTS,
    ),
    Mistake(
        "densities/base.py",
        "if isinstance(module, StartsAtMean) and any(weight.requires_grad for weight in module.parameters()):",
        "if isinstance(module, StartsAtMean):",
        "tests/densities/test_frozen.py",
    ),
    Mistake(
        "densities/class_terms.py",
        "return self.log_lik + self.log_p - self.rate",
        "return self.log_lik - self.log_p - self.rate",
        "tests/densities/test_stacked.py",
    ),
    Mistake(
        "densities/recurrent.py",
        "return Latents(latents, guess.expand(*lead, *self.spec.x))",
        "return Latents(latents, torch.zeros_like(guess).expand(*lead, *self.spec.x))",
        "tests/densities/test_conditional.py",
    ),
    Mistake("densities/base.py", "return self.eval()", "return self", "tests/densities/test_frozen.py"),
    Mistake("densities/base.py", "self.requires_grad_(False)\n", "pass\n", "tests/densities/test_frozen.py"),
    Mistake(
        "densities/stacked.py",
        "upper.rate + log_q - upper.log_lik",
        "upper.rate + log_q",
        "tests/densities/test_stacked.py",
    ),
    Mistake(
        "densities/stacked.py",
        "top[2] if len(top) > 2 else draw(p, ()).z",
        "top[2] if len(top) > 2 else p.mean",
        "tests/densities/test_stacked.py",
    ),
    Mistake(
        "densities/base.py",
        "        module.initialise_to_mean(mean)",
        "        module.initialise_to_mean(mean / 2)",
        "tests/densities/test_conditional.py",
    ),
    Mistake(
        "densities/checks.py",
        'if isinstance(q, PointMass):\n        raise Refusal(\n            "the posterior is a point mass',
        'if False:\n        raise Refusal(\n            "the posterior is a point mass',
        "tests/densities/test_contracts.py",
    ),
    Mistake(
        LATENTS,
        "return kl_divergence(q, p).flatten(len(joint.batch_shape))",
        "return kl_divergence(q, p).flatten(1)",
        "tests/densities/test_terms.py",
    ),
    Mistake(LATENTS, "is_relaxed=isinstance(q, Relaxed)", "is_relaxed=False", "tests/densities/test_contracts.py"),
    Mistake(
        "densities/stacked.py",
        "p=self.m2.likelihood_of(upper), closed_form=False",
        "p=self.m2.likelihood_of(upper)",
        "tests/densities/test_stacked.py",
    ),
    Mistake(
        "densities/categorical.py",
        "return self.likelihood(style.z, category.z)",
        "return self.likelihood(style.z, category.z.roll(1, -1))",
        "tests/densities/test_adversarial.py",
    ),
]
