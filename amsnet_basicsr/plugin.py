"""Registers everything with BasicSR and applies the patches: importing this module is what makes it a plugin.

An unmodified BasicSR imports it through the `plugin:` line of an options file, and gets the patches too.
"""

from basicsr.utils.registry import ARCH_REGISTRY

from amsnet_basicsr import data, losses, metrics, models  # noqa: F401 (they register themselves)
from amsnet_basicsr.archs import ARCHS
from amsnet_basicsr.archs.spandrel_arch import SpandrelArch
from amsnet_basicsr.patches import apply_all
from amsnet_basicsr.version import __version__

__all__ = ['__version__']

apply_all()

# The archs don't register themselves, so that they can be used without BasicSR.
for _arch in (*ARCHS.values(), SpandrelArch):
    if _arch.__name__ not in ARCH_REGISTRY:
        ARCH_REGISTRY.register(_arch)
