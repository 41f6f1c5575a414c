"""A log file on a full disk is told once, and ends nothing."""

import logging
import os

import pytest
from basicsr.utils import logger as basicsr_logger

from amsnet_basicsr.patches.pipelines.log_file import get_root_logger
from amsnet_basicsr.patches.pipelines.options_copy import copy_options


@pytest.mark.skipif(not os.path.exists('/dev/full'), reason='no /dev/full')
def test_a_log_file_that_cannot_be_written_is_told_once(tmp_path, capsys):
    logger = get_root_logger('full', log_file='/dev/full')
    try:
        for line in ('first', 'second', 'third'):
            logger.info(line)
    finally:
        basicsr_logger.initialized_logger.pop('full', None)
    said = capsys.readouterr().err
    assert said.count('training goes on without its log file') == 1 and 'Traceback' not in said
    assert all(line in said for line in ('first', 'second', 'third'))
    assert not any(isinstance(handler, logging.FileHandler) for handler in logger.handlers)


@pytest.mark.skipif(not os.path.exists('/dev/full'), reason='no /dev/full')
def test_so_is_a_copy_of_the_options(tmp_path, capsys):
    (tmp_path / 'a.yml').write_text('name: x')
    (tmp_path / 'run').mkdir()
    (tmp_path / 'run' / 'a.yml').symlink_to('/dev/full')
    copy_options(str(tmp_path / 'a.yml'), str(tmp_path / 'run'))
    assert 'No space left on device; training goes on without this copy' in capsys.readouterr().out
