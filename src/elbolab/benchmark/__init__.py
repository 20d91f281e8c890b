"""elbolab beside other ways to train the same networks, measured on the machine at hand."""
