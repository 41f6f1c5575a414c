"""The metadata is in pyproject.toml; this is what cannot be said there: the folder options/ goes into the package."""

from setuptools import find_namespace_packages, setup

# Beside amsnet_basicsr/options/settings.py, which finds the files there.
OPTIONS = 'amsnet_basicsr.option_files'

setup(
    packages=[
        *find_namespace_packages(include=['amsnet_basicsr*'], exclude=['*__pycache__*']),
        OPTIONS,
        *(f'{OPTIONS}.{folder}' for folder in find_namespace_packages('options')),
    ],
    package_dir={OPTIONS: 'options'},
)
