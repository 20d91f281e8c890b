"""What Hydra finds of elbolab, in the one namespace where it looks: shells over `elbolab.cli`."""
