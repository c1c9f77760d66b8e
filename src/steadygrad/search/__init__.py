"""Finding good hyperparameters: coarse to fine, resuming trials, minding the edges of ranges."""
