"""The command `amsnet-denoise`: denoises, or hands over to `fit`, `adapt` or `export`."""

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: What follows its name; None takes it from the process.

    Returns:
        Exit status: 0 if all succeeded, 1 if something failed, 2 for wrong usage or a model that can't be used, 130
        after an interruption.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    command, rest = arguments[:1], arguments[1:] or ['--help']
    try:
        if command == ['fit']:
            from amsnet_basicsr.fit import command as fit

            return fit.main(rest)
        if command == ['adapt']:
            from amsnet_basicsr.fit.adapt import command as adapt

            return adapt.main(rest)
        if command == ['export']:
            from amsnet_basicsr.denoise.export import command as export

            return export.main(rest)
        from amsnet_basicsr.denoise.command.arguments import parse

        options = parse(arguments)
        if argv is None:  # a process of our own
            from amsnet_basicsr.denoise.allocator import keep_freed_memory

            keep_freed_memory()
        from amsnet_basicsr.denoise.command.run import run  # libraries of images, which help need not wait for

        return run(options)
    except SystemExit as stop:  # help, or what is wrong, has been printed
        return int(stop.code or 0)
    except KeyboardInterrupt:
        print('amsnet-denoise: interrupted', file=sys.stderr)
        return 130


if __name__ == '__main__':
    sys.exit(main())
