"""What a run writes beside its checkpoints: no locale, no full disk and no new release of wandb ends a training."""

import logging
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from basicsr.utils import logger as basicsr_logger

from amsnet_basicsr.utils.text import printable, say


def get_root_logger(
    logger_name: str = 'basicsr', log_level: int = logging.INFO, log_file: str | None = None
) -> logging.Logger:
    """Take the place of BasicSR's function in the pipelines: a logger that is set up is set up anew for a file."""
    if log_file is not None:
        basicsr_logger.initialized_logger.pop(logger_name, None)
        handlers = logging.getLogger(logger_name).handlers
        for handler in [handler for handler in handlers if isinstance(handler, logging.StreamHandler)]:
            handlers.remove(handler)
            if isinstance(handler, logging.FileHandler):
                handler.close()
    logger = basicsr_logger.get_root_logger(logger_name, log_level, log_file)
    for handler in logger.handlers if log_file is not None else ():
        if isinstance(handler, logging.FileHandler):
            # A name that the locale lacks would end the log.
            handler.stream.reconfigure(encoding='utf-8', errors='backslashreplace')  # type: ignore[union-attr]
            handler.handleError = partial(_give_up, logger, handler)  # type: ignore[method-assign]
    return logger


def _give_up(logger: logging.Logger, handler: logging.FileHandler, record: logging.LogRecord) -> None:
    """Say once that a log file cannot be written, as on a full disk; logging would print a traceback at every line."""
    error = sys.exc_info()[1]
    logger.removeHandler(handler)
    with suppress(OSError, ValueError):
        handler.close()
    logger.warning(f'{handler.baseFilename}: {error}; training continues without its log file')


def copy_options(file: str, folder: str) -> None:
    """Take the place of `copy_opt_file`: copy bytes, below a header with time and command."""
    command = printable(' '.join(sys.argv))
    header = f'# GENERATE TIME: {time.asctime()}\n# CMD:\n# {command}\n\n'
    copy = Path(folder, Path(file).name)
    try:
        copy.write_bytes(header.encode() + Path(file).read_bytes())
    except OSError as error:  # a full disk, which ends no training
        say(f'{copy}: {error.strerror}; training continues without this copy')


class TolerantWriter:
    """A writer of TensorBoard, made by `make`, that warns at the first `OSError` and writes no more."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._writer: Any = None
        self._writer = self._try(make)

    def _try(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return call(*args, **kwargs)
        except OSError as error:
            self._writer = None
            basicsr_logger.get_root_logger().warning(f'TensorBoard: {error}; training continues without it')

    def __getattr__(self, name: str) -> Any:
        """Call the writer's methods, which return nothing."""
        return partial(self._try, getattr(self._writer, name)) if self._writer is not None else lambda *_, **__: None


def start_wandb(opt: dict[str, Any]) -> None:
    """Take the place of `init_wandb_logger`; wandb makes the id, unless `logger.wandb.resume_id` names a run."""
    import wandb

    settings = opt['logger']['wandb']
    run = wandb.init(
        id=settings.get('resume_id'), resume='allow' if settings.get('resume_id') else None, name=opt['name'],
        config=opt, project=settings['project'], sync_tensorboard=True,
    )  # fmt: skip
    basicsr_logger.get_root_logger().info(f'Use wandb logger with id={run.id}; project={settings["project"]}.')
