"""The copy of the options file in the experiment's folder, which BasicSR reads and writes in the locale's encoding."""

import sys
import time
from pathlib import Path

from amsnet_basicsr.utils.text import printable, say


def copy_options(file: str, folder: str) -> None:
    """Take the place of `copy_opt_file`: copy bytes, below a header with time and command."""
    command = printable(' '.join(sys.argv))
    header = f'# GENERATE TIME: {time.asctime()}\n# CMD:\n# {command}\n\n'
    copy = Path(folder, Path(file).name)
    try:
        copy.write_bytes(header.encode() + Path(file).read_bytes())
    except OSError as error:  # a full disk, which ends no training
        say(f'{copy}: {error.strerror}; training continues without this copy')
