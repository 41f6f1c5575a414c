"""Simulated cameras: noise on clean images."""
