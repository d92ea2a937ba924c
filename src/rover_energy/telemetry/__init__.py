"""Telemetry: what was measured on a drive, judged window by window."""
