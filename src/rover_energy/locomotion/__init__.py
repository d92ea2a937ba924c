"""Locomotion: what driving asks of the bus, and how well measurements support it."""
