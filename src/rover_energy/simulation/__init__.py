"""Simulation: the rover driven in a physics engine, or in its own demand model, from the same commands and readings."""
