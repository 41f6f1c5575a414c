"""Launcher for `python basicsr/test.py -opt options/….yml` from this repository.

This folder has no `__init__.py` on purpose: so `import basicsr` finds the installed BasicSR.
"""

from pathlib import Path

from amsnet_basicsr.test import test
from amsnet_basicsr.utils.stop_signal import end_at_ctrl_c

if __name__ == '__main__':
    end_at_ctrl_c()
    test(str(Path(__file__).resolve().parent.parent))
