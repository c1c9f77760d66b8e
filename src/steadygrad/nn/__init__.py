"""The parts networks are made of: activations, norms, blocks, initialisation, folding."""
