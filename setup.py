"""Packaging entry point, kept because the ecosystem expects it; the metadata is in pyproject.toml."""

from setuptools import setup

setup()
