"""Power: what the bus receives, stores and gives."""
