"""`--import my_package`, `import: [my_package]`: the user's own archs, losses, datasets and metrics."""

import importlib
import os
import sys
from typing import Any


def import_parts(names: Any) -> list[str]:
    """Import the user's packages, installed or in the current folder, which register their parts; return problems."""
    problems = []
    for name in names if isinstance(names, (list, tuple)) else ():
        if not isinstance(name, str):
            continue  # the block says so
        if name.partition('.')[0] in sys.stdlib_module_names:  # some of them act when they are imported
            problems.append(f'import: {name} is a module of Python itself; name a package of your own')
            continue
        if os.getcwd() not in sys.path and '' not in sys.path:
            sys.path.append(os.getcwd())
        try:
            importlib.import_module(name)
        except (Exception, SystemExit) as error:  # whatever is wrong with it
            said = f'{name} cannot be imported ({type(error).__name__}: {error})'
            problems.append(f'import: {said}; is it installed, or in this folder?')
    return problems
