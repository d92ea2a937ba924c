"""The `rover-energy` command: thin over the library, with exit codes 0 clean, 1 failed, 2 usage, 3 done with loss."""
