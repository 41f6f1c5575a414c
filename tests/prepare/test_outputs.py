"""Outputs that are begun by one run and resumed by the next."""

import json

import pytest

from amsnet_basicsr.prepare.outputs import SETTINGS, begin_or_resume


def test_other_settings_are_refused_once_something_is_made(tmp_path):
    folder = tmp_path / 'a.partial'
    begin_or_resume(folder, {'width': 4})
    (folder / '.amsnet-1-2.tmp').touch()  # a write was killed
    begin_or_resume(folder, {'width': 8})
    assert json.loads((folder / SETTINGS).read_text()) == {'width': 8}
    (folder / '01.png').touch()
    begin_or_resume(folder, {'width': 8})
    with pytest.raises(ValueError, match=r'begun with other settings \(width 8 instead of 4\)'):
        begin_or_resume(folder, {'width': 4})


def test_an_output_without_settings_is_not_resumed(tmp_path):
    (tmp_path / 'data.mdb').touch()
    with pytest.raises(ValueError, match=r'it cannot be resumed, as an earlier version began it .* remove it'):
        begin_or_resume(tmp_path, {})
    assert not (tmp_path / SETTINGS).exists()
