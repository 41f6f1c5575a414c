"""SIDD from the downloads to training and test data."""
