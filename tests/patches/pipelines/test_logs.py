"""Log file, copy of the options, TensorBoard and wandb: no locale, no full disk and no new release ends a training."""

import logging
import os
import subprocess
import sys

import pytest

from amsnet_basicsr import plugin  # noqa: F401 (registers)
from amsnet_basicsr.patches.pipelines.logs import TolerantWriter, copy_options, get_root_logger, start_wandb

from basicsr.utils import logger as basicsr_logger  # isort: skip

needs_a_full_device = pytest.mark.skipif(not os.path.exists('/dev/full'), reason='no /dev/full')


def test_a_name_that_is_no_text_goes_into_the_log(tmp_path):
    logger = get_root_logger('names of a test', log_file=str(tmp_path / 'a.log'))
    for name in ('größe', '\udcff', 'after'):
        logger.info(name)
    lines = (tmp_path / 'a.log').read_text('utf-8').splitlines()
    assert [line.split()[-1] for line in lines] == ['größe', '\\udcff', 'after']


def test_what_was_logged_before_takes_no_log_file_away(tmp_path):
    name = 'basicsr of a test'
    basicsr_logger.get_root_logger(name).warning('early')
    for file in ('one.log', 'two.log'):
        get_root_logger(name, log_file=str(tmp_path / file)).info(file)
    assert [(tmp_path / file).read_text().endswith(f' INFO: {file}\n') for file in ('one.log', 'two.log')] == [
        True,
        True,
    ]
    assert 'two' not in (tmp_path / 'one.log').read_text() and len(logging.getLogger(name).handlers) == 2


def test_the_copy_has_the_command_and_every_byte(tmp_path, monkeypatch):
    source = tmp_path / 'größe.yml'
    source.write_bytes('name: größe  # 中文\n'.encode())
    (tmp_path / 'copy').mkdir()
    monkeypatch.setattr(sys, 'argv', ['train.py', '-opt', 'gr\udcf6\n.yml'])
    copy_options(str(source), str(tmp_path / 'copy'))
    text = (tmp_path / 'copy' / 'größe.yml').read_text('utf-8')
    assert text.endswith('\n\nname: größe  # 中文\n') and text.count('\n') == 5
    assert '# train.py -opt gr\\udcf6\\n.yml' in text


def test_options_that_are_not_ascii_are_copied_in_the_c_locale(tmp_path):
    (tmp_path / 'o.yml').write_text('name: größe\n', 'utf-8')
    (tmp_path / 'copy').mkdir()
    code = 'from amsnet_basicsr.patches.pipelines.logs import copy_options as c; c("o.yml", "copy")'
    environment = {**os.environ, 'LC_ALL': 'C', 'PYTHONUTF8': '0', 'PYTHONCOERCECLOCALE': '0'}
    subprocess.run([sys.executable, '-c', code], check=True, timeout=200, cwd=tmp_path, env=environment)
    assert (tmp_path / 'copy' / 'o.yml').read_text('utf-8').endswith('name: größe\n')


@needs_a_full_device
def test_a_log_file_that_cannot_be_written_is_told_once(tmp_path, capsys):
    logger = get_root_logger('full', log_file='/dev/full')
    try:
        for line in ('first', 'second', 'third'):
            logger.info(line)
    finally:
        basicsr_logger.initialized_logger.pop('full', None)
    said = capsys.readouterr().err
    assert said.count('training continues without its log file') == 1 and 'Traceback' not in said
    assert all(line in said for line in ('first', 'second', 'third'))
    assert not any(isinstance(handler, logging.FileHandler) for handler in logger.handlers)


@needs_a_full_device
def test_a_copy_of_the_options_that_cannot_be_written_is_told(tmp_path, capsys):
    (tmp_path / 'a.yml').write_text('name: x')
    (tmp_path / 'run').mkdir()
    (tmp_path / 'run' / 'a.yml').symlink_to('/dev/full')
    copy_options(str(tmp_path / 'a.yml'), str(tmp_path / 'run'))
    assert 'No space left on device; training continues without this copy' in capsys.readouterr().out


class FullDisk:
    def __init__(self) -> None:
        self.calls = 0

    def add_scalar(self, *args) -> None:
        self.calls += 1
        raise OSError(28, 'No space left on device')


def test_a_writer_that_fails_is_told_once(caplog):
    full = FullDisk()
    writer = TolerantWriter(lambda: full)
    with caplog.at_level('WARNING', 'basicsr'):
        for _ in range(3):
            writer.add_scalar('loss', 1, 1)
        writer.close()
    assert full.calls == 1 and caplog.messages == [
        'TensorBoard: [Errno 28] No space left on device; training continues without it'
    ]
    for make in (lambda: None, lambda: os.mkdir('/nowhere/x')):  # of other processes than the first; a full disk
        TolerantWriter(make).add_scalar('loss', 1, 1)


def test_wandb_starts_a_run_without_an_id(tmp_path, monkeypatch):
    wandb = pytest.importorskip('wandb')
    monkeypatch.setenv('WANDB_MODE', 'offline')
    monkeypatch.setenv('WANDB_SILENT', 'true')
    monkeypatch.chdir(tmp_path)
    start_wandb({'name': 'x', 'logger': {'wandb': {'project': 'p', 'resume_id': None}}})
    wandb.finish()
    assert list((tmp_path / 'wandb').glob('offline-run-*'))
