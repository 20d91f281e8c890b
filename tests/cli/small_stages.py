"""Experiments in two stages, small: a decoder of its own on the frozen encoder of an earlier run."""

from tests.cli.small_conf import write

DENSITIES = '''
    from elbolab.densities.base import Densities
    from elbolab.densities.checks import initialise_heads
    from elbolab.densities.frozen import needed
    from elbolab.densities.single_layer import SingleLayer
    from elbolab.densities.terms import Sampled, Terms


    class NewDecoder(Densities):
        """The prior and the encoder of ``below``, and a likelihood."""

        def __init__(self, spec, below: Densities, prior, posterior, likelihood):
            super().__init__()
            if not isinstance(below, NewDecoder):
                needed(below, SingleLayer, "pretrained.below", "name e.g. toy/below")
            self.below = below
            self.spec, self.latent_shape = spec, below.latent_shape
            self.likelihood = likelihood((self.latent_shape,), spec.x)

        @property
        def prior(self):
            return self.below.prior

        @property
        def posterior(self):
            return self.below.posterior

        def terms(self, x, *given, sample_shape=(), proposal=None):
            q = self.posterior(x)
            z = q.rsample(sample_shape)
            return Terms(self.likelihood(z).log_prob(x), (Sampled(z, q, self.prior()),))

        def generate(self, num, *given):
            return self.decode(self.prior().sample((num,)))

        def encode(self, x, *given):
            return self.below.encode(x)

        def decode(self, z, *given):
            return self.likelihood(z)

        def initialise_to_mean(self, mean):
            for part in (self.below.likelihood, self.likelihood):
                initialise_heads(part, mean)
    '''

EXPERIMENT = """
    # @package _global_
    # a small VAE of the digits
    defaults:
      - override /data: digits
      - override /trainer: cpu
    densities: {latent_dim: 2}
    net: {hidden: [8]}
    trainer: {max_epochs: 2, log_every_n_steps: 4}
    evaluation: {num_samples: 2, limit: 20}
    callbacks: {figures: null}
    """

FILES = {
    "small_stages_densities.py": DENSITIES,
    "densities/new_decoder.yaml": """
        _target_: small_stages_densities.NewDecoder
        _partial_: true
        """,
    "model/new_decoder.yaml": """
        # @package _global_
        # another decoder
        defaults:
          - _base
          - override /posterior: none
          - override /densities: new_decoder
        model: {_target_: elbolab.models.vae.VAE, num_samples: 1}
        pretrained: {below: "???"}
        """,
    "experiment/toy/below.yaml": EXPERIMENT,
    "experiment/toy/_small.yaml": EXPERIMENT.replace("densities: {latent_dim: 2}\n", "\n"),
    "experiment/toy/top.yaml": """
        # @package _global_
        # another decoder for it
        defaults:
          - /experiment/toy/_small
          - override /model: new_decoder
        pretrained: {below: toy/below}
        """,
    "experiment/toy/cycle.yaml": """
        # @package _global_
        # a stage of itself
        defaults:
          - /experiment/toy/_small
          - override /model: new_decoder
        pretrained: {below: toy/cycle}
        """,
    "experiment/toy/third.yaml": """
        # @package _global_
        # a stage with a stage
        defaults:
          - /experiment/toy/_small
          - override /model: new_decoder
        pretrained: {below: toy/top}
        """,
    "experiment/toy/sweep.yaml": """
        # @package _global_
        # several runs
        defaults: [/experiment/toy/below]
        hydra: {mode: MULTIRUN, sweeper: {params: {seed: "0,1"}}}
        """,
}


def small_stages(folder):
    """A folder of configs that stages can be tried with."""
    return write(folder / "own", FILES)
