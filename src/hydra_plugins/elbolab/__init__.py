"""What Hydra finds of elbolab, in the one namespace where it looks: shells, and what its configs interpolate by."""

import elbolab.config.scale  # noqa: F401  # registers ${by_scale:...}
