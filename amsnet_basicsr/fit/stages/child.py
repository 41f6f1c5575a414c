"""`python -m amsnet_basicsr.fit.stages.child -opt …`: a training that ends with its parent."""

import os
import threading


def _end_with_parent() -> None:
    # Nothing is ever sent: the read ends when the other end of the pipe is closed, however that came about. Not by
    # sys.stdin, whose lock would be held when the interpreter ends.
    while os.read(0, 4096):
        pass
    os._exit(1)


def main() -> None:
    """Train as `python -m amsnet_basicsr.train` does; standard input must be a pipe from the parent."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    from amsnet_basicsr.train import train

    train(os.getcwd())


if __name__ == '__main__':
    main()
