"""Registers everything with BasicSR: importing this module is what makes it a plugin.

The compatibility patches come first, since BasicSR 1.4.2 cannot even be imported beside a current torchvision. They
apply too when an unmodified BasicSR imports this module through the `plugin:` line of an options file.
"""

from amsnet_basicsr.patches import compat

compat.prepare_import()

# BasicSR must be imported after it was made importable.
from basicsr.utils.registry import ARCH_REGISTRY  # noqa: E402

from amsnet_basicsr import data, losses, metrics, models  # noqa: E402, F401 (they register themselves on import)
from amsnet_basicsr.archs import ARCHS  # noqa: E402
from amsnet_basicsr.archs.spandrel_arch import SpandrelArch  # noqa: E402
from amsnet_basicsr.version import __version__  # noqa: E402

compat.apply()

# The archs don't register themselves, so that they can be used without BasicSR.
for _arch in (*ARCHS.values(), SpandrelArch):
    if _arch.__name__ not in ARCH_REGISTRY:
        ARCH_REGISTRY.register(_arch)

__all__ = ['__version__']
