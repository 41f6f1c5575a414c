"""What BasicSR writes beside checkpoints: the copy of the options file, TensorBoard's events, wandb's run."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from basicsr.utils import get_root_logger

from amsnet_basicsr.utils.text import printable


def copy_options(file: str, folder: str) -> None:
    """Take the place of `copy_opt_file`, which reads and writes the copy in the locale's encoding.

    Args:
        file: The options file.
        folder: The experiment's folder.
    """
    command = printable(' '.join(sys.argv))
    header = f'# GENERATE TIME: {time.asctime()}\n# CMD:\n# {command}\n\n'
    Path(folder, Path(file).name).write_bytes(header.encode() + Path(file).read_bytes())


def start_wandb(opt: dict[str, Any]) -> None:
    """Take the place of `init_wandb_logger`, which makes ids by a function that wandb no longer has.

    Args:
        opt: BasicSR's options; `logger.wandb` has `project`, and `resume_id` of a run to resume.
    """
    import wandb

    settings = opt['logger']['wandb']
    run = wandb.init(
        id=settings.get('resume_id'), resume='allow' if settings.get('resume_id') else None, name=opt['name'],
        config=opt, project=settings['project'], sync_tensorboard=True,
    )  # fmt: skip
    get_root_logger().info(f'Use wandb logger with id={run.id}; project={settings["project"]}.')


class TolerantWriter:
    """TensorBoard's writer; at the first error of writing it says so and writes no more, and training goes on.

    Args:
        writer: The writer.
        warn: Told about the error.
    """

    def __init__(self, writer: Any, warn: Callable[[str], None]) -> None:
        self._writer, self._warn = writer, warn

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> None:
            if self._writer is not None:
                try:
                    getattr(self._writer, name)(*args, **kwargs)
                except OSError as error:
                    self._writer = None
                    self._warn(f'TensorBoard: {error}; training goes on without it')

        return call


def open_tensorboard(make: Callable[[], Any]) -> Any:
    """Make TensorBoard's writer; training does without if that fails.

    Args:
        make: Makes BasicSR's writer, or None if the options want none.
    """
    warn = get_root_logger().warning
    try:
        writer = make()
    except OSError as error:
        warn(f'TensorBoard: {error}; training goes on without it')
        return TolerantWriter(None, warn)
    return writer and TolerantWriter(writer, warn)
