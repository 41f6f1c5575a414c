"""`python -m amsnet_basicsr.denoise.fit_child -opt …`: a training that ends when the process that started it does."""

import os
import threading
from typing import Any


def _end_with_parent() -> None:
    # Nothing is ever sent: the read ends when the other end of the pipe is closed, however that came about. Not by
    # sys.stdin, whose lock would be held when the interpreter ends.
    while os.read(0, 4096):
        pass
    os._exit(1)


def keep_channels_last() -> None:
    """Let BasicSR's own models know the option `channels_last`, as `AMSNetModel` does.

    The memory layout makes convolutions on CPUs about 1.8 times as fast.
    """
    import torch
    from basicsr.models.base_model import BaseModel
    from torch import nn

    original = BaseModel.model_to_device
    if getattr(original, '_amsnet', False):
        return

    def model_to_device(self: Any, net: nn.Module) -> nn.Module:
        if self.opt.get('channels_last'):
            net = net.to(memory_format=torch.channels_last)
        return original(self, net)

    model_to_device._amsnet = True
    BaseModel.model_to_device = model_to_device


def main() -> None:
    """Train as `python -m amsnet_basicsr.train` does; standard input must be a pipe from the parent."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    from amsnet_basicsr import plugin  # noqa: F401 (registers, and makes BasicSR importable)
    from amsnet_basicsr.launch import train, working_directory

    keep_channels_last()
    train(working_directory())


if __name__ == '__main__':
    main()
