"""Freed memory stays with the process where that was asked for, and only there."""

import sys

import pytest

PROGRAM = """
import sys
from amsnet_basicsr.denoise.allocator import keep_freed_memory, release_freed_memory
kept = keep_freed_memory()
import torch

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
def test_freed_memory_is_kept_unless_the_user_has_settled_it(fork_server, tmp_path, settings, kept):
    done = fork_server.run('-c', PROGRAM, cwd=tmp_path, **settings)
    assert done.stdout.split() == [str(kept), str(kept), 'True']
