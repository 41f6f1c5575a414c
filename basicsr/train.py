"""Launcher for `python basicsr/train.py -opt options/….yml` from this repository.

This folder has no `__init__.py` on purpose: so `import basicsr` finds the installed BasicSR.
"""

from pathlib import Path

from amsnet_basicsr.train import train
from amsnet_basicsr.utils.command import begin_command

if __name__ == '__main__':
    begin_command()
    train(str(Path(__file__).resolve().parent.parent))
