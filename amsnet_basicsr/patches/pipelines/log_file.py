"""The log file, which BasicSR's logger never writes if anything was logged before a pipeline names it."""

import logging
import sys
from contextlib import suppress
from functools import partial

from basicsr.utils import logger as basicsr_logger


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
