"""Output that fails stops no work."""

import os
import subprocess
import sys

import pytest

WORK = """
import sys
from pathlib import Path
from tqdm import tqdm
from amsnet_basicsr.prepare.outputs import run_command
from amsnet_basicsr.utils.command import begin_command

def work():
    for _ in tqdm(range(3), mininterval=0):
        print('x' * 10000, flush=True)
    sys.stdout.write('ü\\udcff')
    yield 'done'

if sys.argv[1] == 'train':
    begin_command()
    list(work())
elif run_command('prepare', Path('output'), work):
    sys.exit(1)
open('done', 'x', encoding='utf-8').close()
"""


@pytest.mark.parametrize('command', ['train', 'prepare'])
@pytest.mark.parametrize('streams', ['> /dev/full 2> log', '> log 2> /dev/full', '> /dev/full 2>&1', '>&- 2>&-'])
@pytest.mark.skipif(not os.path.exists('/dev/full'), reason='no /dev/full')
def test_streams_that_are_full_or_closed(tmp_path, command, streams):
    (tmp_path / 'work.py').write_text(WORK)
    environment = {**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path), 'PYTHONIOENCODING': 'utf-8:replace'}
    line = ['sh', '-c', f'"{sys.executable}" work.py {command} {streams}']
    assert subprocess.run(line, cwd=tmp_path, env=environment, check=False, timeout=250).returncode == 0
    assert (tmp_path / 'done').exists()
    if (tmp_path / 'log').exists():
        assert 'Traceback' not in (tmp_path / 'log').read_text('utf-8')
