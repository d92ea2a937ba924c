"""Drive a certified plan: track its path, govern its pace so that the bus is never asked for more than it can give."""
