"""Energy-constrained planning for planetary rovers on radioisotope and solar power."""

__version__ = "0.1.0"
