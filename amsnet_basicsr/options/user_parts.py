"""`--import my_package`, `import: [my_package]`: the user's own archs, losses, datasets and metrics."""

import importlib
import os
import sys
from collections.abc import Iterable
from typing import Any


def import_parts(names: Any) -> list[str]:
    """Import the user's packages, installed or in the current folder, which register their parts; return problems."""
    return [said for name in _listed(names) if (said := _problem(name))]


def _listed(names: Any) -> Iterable[str]:
    return [name for name in names if isinstance(name, str)] if isinstance(names, (list, tuple)) else []


def _problem(name: str) -> str | None:
    # Some of Python's modules act when they are imported.
    if name.partition('.')[0] in sys.stdlib_module_names:
        return f'import: {name} is a module of Python itself; name a package of your own'
    if os.getcwd() not in sys.path and '' not in sys.path:
        sys.path.append(os.getcwd())
    try:
        importlib.import_module(name)
    except Exception as error:  # whatever is wrong with it
        return (
            f'import: {name} cannot be imported ({type(error).__name__}: {error}); is it installed, or in this folder?'
        )
    return None
