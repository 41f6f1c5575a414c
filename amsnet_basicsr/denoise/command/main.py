"""`amsnet-denoise IMAGES -o FOLDER`."""

import sys
from collections.abc import Sequence

from amsnet_basicsr.denoise.allocator import keep_freed_memory
from amsnet_basicsr.denoise.command.arguments import parse


def main(argv: Sequence[str] | None = None) -> int:
    """Denoise the images that the command line names.

    Args:
        argv: What follows the command's name; None takes it from the process.

    Returns:
        Exit status: 0 if all succeeded, 1 if something failed, 2 for wrong usage or a model that can't be used, 130
        after an interruption.
    """
    try:
        options = parse(sys.argv[1:] if argv is None else argv)
    except SystemExit as stop:  # help, or what is wrong, has been printed
        return int(stop.code or 0)
    if argv is None:  # a process of our own
        keep_freed_memory()
    from amsnet_basicsr.denoise.command.run import run  # libraries of images, which help need not wait for

    return run(options)
