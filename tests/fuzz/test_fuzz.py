"""Damaged, odd and hostile files: nothing comes out of the readers but results and our own errors in one line.

A few hundred inputs each in a usual test run, always the same ones; `AMSNET_FUZZ=10000 pytest tests/fuzz` tries as many
new ones each. What such runs have found stands as explicit cases in the tests of the readers.
"""

import pytest

from tests.fuzz.in_a_child import MOST_MEGABYTES, run_child
from tests.fuzz.settings import examples


@pytest.mark.timeout(7200)
@pytest.mark.parametrize(
    'reader', ['image_reader', 'weights_reader', 'states_reader', 'lmdb_reader', 'mat_reader', 'zip_reader']
)
def test_only_results_and_our_own_errors_come_out(fork_server, reader, tmp_path):
    last = run_child(fork_server, f'tests.fuzz.{reader}', tmp_path)
    tried, peak = (int(word) for word in last.replace(',', '').split() if word.isdecimal())
    assert tried >= examples(200), last
    assert peak < MOST_MEGABYTES, last
