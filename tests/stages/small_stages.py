"""Experiments in two stages, small: a decoder of its own on the frozen encoder of an earlier run."""

from tests.config.small_conf import write

DENSITIES = '''
    from elbolab.densities.base import Densities
    from elbolab.densities.base import initialise_heads
    from elbolab.densities.latents import Undefined
    from elbolab.densities.latents import sample


    class NewDecoder(Densities):
        """The prior and the encoder of ``below``, and a likelihood."""

        def __init__(self, spec, below: Densities, prior, posterior, likelihood):
            super().__init__()
            try:
                below.imagine((1,))
            except Undefined as error:
                raise ValueError("pretrained.below has no prior: name e.g. toy/below") from error
            self.below = below
            self.spec, self.code_shapes = spec, below.code_shapes
            self.likelihood = likelihood((self.latent_shape,), spec.x)

        def infer(self, x, *given, shape=(), draw=sample):
            return self.below.infer(x, shape=shape, draw=draw)

        def imagine(self, shape, *given, top=(), draw=sample):
            return self.below.imagine(shape, top=top, draw=draw)

        def likelihood_of(self, latents, *given):
            return self.likelihood(latents[-1].z)

        def initialise(self, data, mean):
            for part in (self.below.likelihood, self.likelihood):
                initialise_heads(part, mean)
    '''

EXPERIMENT = """
    # @package _global_
    # a small VAE of the digits
    defaults:
      - override /data: digits
    densities: {latent_dim: 2}
    net: {hidden: [8]}
    trainer: {accelerator: cpu, max_epochs: 2, log_every_n_steps: 4}
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
