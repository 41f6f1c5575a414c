"""Freed memory stays with the process where that was asked for, and only there."""

import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY

PROGRAM = """
import sys
from amsnet_basicsr.denoise.allocator import keep_freed_memory, release_freed_memory
kept = keep_freed_memory()
import torch
torch.set_num_threads(1)

def resident():
    return int(open('/proc/self/statm').read().split()[1]) * 4096

before = resident()
torch.ones(48, 2**20)  # 192 MiB
grown = resident() - before > 190 * 2**20
release_freed_memory()
print(kept, grown, resident() - before < 150 * 2**20)
"""


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='glibc only')
@pytest.mark.parametrize(('settings', 'kept'), [({}, True), ({'MALLOC_TRIM_THRESHOLD_': '131072'}, False)])
def test_freed_memory_is_kept_unless_the_user_has_settled_it(settings, kept):
    environment = {'PATH': '/usr/bin', 'PYTHONPATH': str(REPOSITORY), 'OMP_NUM_THREADS': '1', **settings}
    command = [sys.executable, '-c', PROGRAM]
    result = subprocess.run(command, env=environment, text=True, capture_output=True, check=True)
    assert result.stdout.split() == [str(kept), str(kept), 'True']
