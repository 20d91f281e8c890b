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
]
