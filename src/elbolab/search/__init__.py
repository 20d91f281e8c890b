"""`hydra/sweeper=optuna`: hyper-parameters searched with Optuna, on any launcher."""
