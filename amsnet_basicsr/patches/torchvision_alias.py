"""`torchvision.transforms.functional_tensor`, which BasicSR 1.4.2 imports and torchvision 0.17 dropped.

Importing the package imports this module first, also in spawned data workers. It costs nothing: torchvision itself is
imported when the function is asked for.
"""

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_NAME = 'torchvision.transforms.functional_tensor'


class _FunctionalTensor(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name != 'rgb_to_grayscale':
            raise AttributeError(f'module {_NAME!r} has no attribute {name!r}')
        from torchvision.transforms.functional import rgb_to_grayscale

        return rgb_to_grayscale


if _NAME not in sys.modules:
    _alias = _FunctionalTensor(_NAME, 'Alias for BasicSR 1.4.2.')
    _alias.__spec__ = ModuleSpec(_NAME, loader=None)
    sys.modules[_NAME] = _alias
