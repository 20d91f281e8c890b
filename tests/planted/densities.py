"""Mistakes in densities/."""

from tests.planting import Mistake

CONTRACTS, LABELLED, TERMS = (f"tests/densities/test_{name}.py" for name in ("contracts", "labelled", "terms"))

MISTAKES = [
    Mistake("densities/terms.py", "return -self.log_ratio", "return self.log_ratio", TERMS),
    Mistake("densities/terms.py", "return self.log_q - self.log_p", "return self.log_p - self.log_q", TERMS),
    Mistake(
        "densities/terms.py",
        "return reduce(add, (latent.kl for latent in self.latents)).expand_as(self.log_lik)",
        "return self.latents[-1].kl.expand_as(self.log_lik)",
        TERMS,
    ),
    Mistake(
        "densities/terms.py",
        "return self.log_lik + reduce(add, (latent.log_ratio for latent in self.latents))",
        "return self.log_lik - reduce(add, (latent.log_ratio for latent in self.latents))",
        TERMS,
    ),
    Mistake(
        "densities/terms.py",
        "return (terms.rate - terms.log_lik).mean()",
        "return (terms.rate.detach() - terms.log_lik).mean()",
        "tests/models/test_gradients.py",
    ),
    Mistake(
        "densities/labelled.py",
        "return self.generate_of(self.class_prior.sample((num,)))",
        "return self.generate_of(self.classes[:1].expand(num, -1))",
        LABELLED,
    ),
    Mistake(
        "densities/labelled.py",
        "for p in (self.classifier(x), self.class_prior))",
        "for p in (self.class_prior, self.classifier(x)))",
        LABELLED,
    ),
    Mistake(
        "densities/attributes.py",
        "if posterior is not None and not posterior_sees_attributes:",
        "if posterior is not None and posterior_sees_attributes:",
        "tests/densities/test_attributes.py",
    ),
    Mistake(
        "densities/autoencoder.py",
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
        "return self.m1.encode(x)",
        "return self.m1.terms(x).latents[0].z",
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
    Mistake(
        "densities/frozen.py", "densities.frozen = True", "densities.frozen = False", "tests/densities/test_frozen.py"
    ),
    Mistake(
        "densities/single_layer.py",
        "return self.decode(self.prior(*given).sample((num,)), *given)",
        "return self.decode(self.prior(*given).sample((1,)).expand(num, *(-1,) * (2 if given else 1)), *given)",
        "tests/evaluation/test_conditional_figures.py",
    ),
    Mistake(
        "densities/stochastic.py",
        "return self.prior(*given).mean",
        "return self.prior(*given).sample()",
        "tests/densities/test_conditional.py",
    ),
    Mistake(
        "densities/base.py",
        "return prod(self.latent_shape) - self.class_dim",
        "return prod(self.latent_shape) - max(self.class_dim - 1, 0)",
        "tests/evaluation/test_class_in_code.py",
    ),
    Mistake(
        "densities/adversarial.py",
        "return z, logits.log_softmax(-1)",
        "return z, logits.log_softmax(0)",
        "tests/densities/test_adversarial.py",
    ),
    Mistake(
        "densities/adversarial.py",
        "return self.likelihood(z.expand(len(groups), *z.shape), groups[:, None].expand(-1, num, -1))",
        "return self.likelihood(z[:1].expand(len(groups), *z.shape), groups[:, None].expand(-1, num, -1))",
        "tests/densities/test_adversarial.py",
    ),
    Mistake(
        "densities/checks.py",
        "if isinstance(module, Head) and any(weight.requires_grad for weight in module.parameters()):",
        "if isinstance(module, Head):",
        "tests/densities/test_frozen.py",
    ),
    Mistake(
        "densities/class_terms.py",
        "return self.log_lik + self.log_p - self.kl",
        "return self.log_lik - self.log_p - self.kl",
        "tests/densities/test_stacked.py",
    ),
    Mistake(
        "densities/recurrent.py",
        "return self.inner.generate(num, *given, self.first_guess(*given))",
        "return self.inner.generate(num, *given, torch.zeros_like(self.first_guess(*given)))",
        "tests/densities/test_conditional.py",
    ),
    Mistake(
        "densities/frozen.py", "    return densities.eval()", "    return densities", "tests/densities/test_frozen.py"
    ),
    Mistake(
        "densities/frozen.py", "    densities.requires_grad_(False)\n", "    pass\n", "tests/densities/test_frozen.py"
    ),
    Mistake(
        "densities/stacked.py",
        "return ClassTerms(upper.log_q, upper.log_p, log_lik, upper.kl + lower.log_q - upper.log_lik)",
        "return ClassTerms(upper.log_q, upper.log_p, log_lik, upper.kl + lower.log_q)",
        "tests/densities/test_stacked.py",
    ),
    Mistake(
        "densities/stacked.py",
        "return self.m1.decode(self.m2.generate_of(y).sample())",
        "return self.m1.decode(self.m2.generate_of(y).mean)",
        "tests/densities/test_stacked.py",
    ),
    Mistake(
        "densities/checks.py",
        "        module.initialise_to_mean(mean)",
        "        module.initialise_to_mean(mean / 2)",
        "tests/densities/test_conditional.py",
    ),
    Mistake(
        "densities/checks.py",
        'if isinstance(q, PointMass):\n        raise ValueError(\n            "the posterior is a point mass',
        'if False:\n        raise ValueError(\n            "the posterior is a point mass',
        "tests/densities/test_contracts.py",
    ),
    Mistake(
        "densities/terms.py",
        "return kl_divergence(q, p).flatten(len(self.q.batch_shape))",
        "return kl_divergence(q, p).flatten(1)",
        "tests/densities/test_terms.py",
    ),
    Mistake("densities/terms.py", "return not self.is_relaxed", "return True", "tests/densities/test_contracts.py"),
    Mistake(
        "densities/adversarial.py",
        "z, y = code.expand(*sample_shape, *code.shape).tensor_split([self.latent_dim], dim=-1)",
        "z, y = code.expand(*sample_shape, *code.shape).tensor_split([self.class_dim], dim=-1)",
        "tests/densities/test_adversarial.py",
    ),
]
