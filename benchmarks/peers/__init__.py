"""Other people's planners and retimers behind one face, for comparison; each needs its own package from PyPI."""
