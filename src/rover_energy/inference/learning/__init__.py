"""Producers of variants: training and compression on the ground, with torch (extra `infer`)."""
