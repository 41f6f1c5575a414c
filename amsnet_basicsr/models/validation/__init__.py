"""Validation of our models."""
