"""Acceptance figures: what each system shows here, beside its honest baseline."""
