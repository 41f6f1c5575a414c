"""The log file, which BasicSR's logger never writes if anything was logged before a pipeline names it."""

import logging

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
    return basicsr_logger.get_root_logger(logger_name, log_level, log_file)
