"""Options files with several settings of one base."""

from pathlib import Path

import pytest

from amsnet_basicsr.options.settings import merge, read_comparison, read_setting, split_setting

BASE = """
name: base
scheme: {branches: 2, pad: 1}
network_g: {type: NAFNet, width: 8}
train: {total_iter: 10, optim_g: {type: AdamW, lr: 1.0}}
"""
TWO = """
base: base.yml
name: two
scheme: {branches: 3}
reference: b
settings:
  a: {scheme: {pad: ~}, network_g: {type: UNet, nc: 4}, train: {optim_g: {lr: 2.0}}}
  b: {}
  c: {weights: b, train: ~}
"""


@pytest.fixture
def two(tmp_path) -> Path:
    (tmp_path / 'base.yml').write_text(BASE)
    (tmp_path / 'two.yml').write_text(TWO)
    return tmp_path / 'two.yml'


def test_settings_are_laid_over_the_file_and_its_base(two):
    comparison = read_comparison(two)
    assert list(comparison.settings) == ['a', 'b', 'c'] and comparison.reference == 'b'
    assert comparison.settings['a'].options == {
        'name': 'two_a', 'scheme': {'branches': 3}, 'network_g': {'type': 'UNet', 'nc': 4},
        'train': {'total_iter': 10, 'optim_g': {'type': 'AdamW', 'lr': 2.0}},
    }  # fmt: skip
    tested = comparison.settings['c']
    assert not tested.trains and tested.start == 'b' and 'train' not in tested.options
    weights = 'experiments/two_b/models/net_g_latest.pth'
    assert tested.options['path'] == {'pretrain_network_g': weights, 'param_key_g': 'params_ema'}
    assert read_setting(str(two), 'c') == tested.options
    assert comparison.settings['b'].options['network_g'] is not tested.options['network_g']


def test_a_file_without_settings_may_have_a_base(two):
    two.write_text('base: base.yml\nscheme: {pad: 2}\n')
    assert read_setting(str(two))['scheme'] == {'branches': 2, 'pad': 2}
    assert read_setting(str(two.parent / 'base.yml'))['name'] == 'base'


def test_lists_and_values_replace_and_the_base_stays():
    base = {'a': [1, 2], 'b': {'c': 1}, 'd': 5}
    assert merge(base, {'a': [3], 'b': 7, 'd': None, 'e': {'f': None, 'g': 1}}) == {'a': [3], 'b': 7, 'e': {'g': 1}}
    assert base == {'a': [1, 2], 'b': {'c': 1}, 'd': 5}


@pytest.mark.parametrize(
    ('path', 'parts'),
    [
        ('a/b.yml', ('a/b.yml', None)), ('a/b.yml:5_2', ('a/b.yml', '5_2')), ('C:\\b.yaml:k', ('C:\\b.yaml', 'k')),
        ('C:\\b.yml', ('C:\\b.yml', None)), ('quickstart', ('quickstart', None)), ('b.yml:', ('b.yml', '')),
    ],
)  # fmt: skip
def test_a_setting_is_named_behind_the_file(path, parts):
    assert split_setting(path) == parts


@pytest.mark.parametrize(
    ('old', 'new', 'setting', 'message'),
    [
        ('', '', None, r'two.yml has several settings; name one, e.g. .*two.yml:a, of a, b, c'),
        ('', '', 'd', r"two.yml has no setting 'd'; there are: a, b, c"),
        ('reference: b', 'reference: bb', 'a', r"reference: there is no setting 'bb'; did you mean 'b'\?"),
        ('weights: b', 'weights: c', 'a', r"settings.c.weights: there is no other setting 'c'"),
        ('weights: b, ', '', 'a', r'settings.c trains nothing, so it needs weights'),
        ('b: {}', 'b: 1', 'a', r'settings.b must be a group of options'),
        ('name: two', 'name: ~', 'a', r'name is missing'),
        ('base: base.yml', 'base: 3', 'a', r'base must be an options file'),
        ('base: base.yml', 'base: two.yml', 'a', r'two.yml must be complete options, without base or settings'),
        ('base: base.yml', 'base: nowhere.yml', 'a', r'nowhere.yml cannot be read: No such file'),
        ('settings:', 'others:', 'a', r'settings is missing'),
    ],
)
def test_what_makes_no_sense_is_told(two, old, new, setting, message):
    two.write_text(TWO.replace(old, new))
    with pytest.raises(ValueError, match=message):
        read_setting(str(two), setting)
