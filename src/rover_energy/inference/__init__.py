"""Neural networks as loads on the bus: what they cost, what they may take, which one to run."""
