"""Tasks with data that the package generates: patches of terrain, a telemetry log and questions about it."""
