"""What is wrong with options beyond the rules of their blocks: one file for each kind of check, run by `run`."""
