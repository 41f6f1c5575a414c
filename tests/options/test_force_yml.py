"""Changing options from the command line: types, places, and what is refused."""

import pytest

from amsnet_basicsr.options.force_yml import apply_force_yml, parse_value

OPTIONS = {
    'name': 'tiny',
    'datasets': {'train': {'dataroot_lq': 'noisy'}},
    'path': {},
    'train': {'optim_g': {'lr': 1e-3}, 'scheduler': {'periods': [10, 20]}},
    'val': None,
}


@pytest.mark.parametrize(
    ('text', 'value'),
    [
        ('1e-5', 1e-5), ('-2.5E+3', -2500.0), ('.5e1', 5.0), ('1e5', 100000.0), ('-1', -1), ('0.999', 0.999),
        ('!!float 1e-5', 1e-5), ('true', True), ('False', False), ('none', None), ('None', None), ('~', None),
        ('null', None), ('', None), ('[1, 2]', [1, 2]), ('[1e-4, none, a]', [1e-4, None, 'a']), ('[]', []),
        ('{type: R3, prob: 1e-1}', {'type': 'R3', 'prob': 0.1}), ('"1e-5"', '1e-5'), ("'none'", 'none'),
        # Any other word is text, with whatever in it: no shell or YAML makes anything of it.
        ('*_Real.*', '*_Real.*'), ('a: b #c', 'a: b #c'), ('@x', '@x'), ('a=b', 'a=b'), ('=', '='), ('<<', '<<'),
        ('1e-5x', '1e-5x'), ('__import__("os").system("ls")', '__import__("os").system("ls")'), ('- a', '- a'),
    ],
)  # fmt: skip
def test_values_have_the_type_that_is_meant(text, value):
    parsed = parse_value(text)
    assert parsed == value and type(parsed) is type(value)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('[1, 2', 'the value is no YAML'),
        ('"open', 'the value is no YAML'),
        ('!!python/object/apply:os.system ["touch ran"]', '!!python/object/apply:os.system is refused'),
        ('[!!python/name:os.system x]', '!!python/name:os.system is refused'),
        ('{a: 1, a: 2}', "'a' is there a second time"),
        ('2024-01-31', 'is a date to YAML; put it in quotes'),
        ('9' * 5000, 'a number of 5000 characters; put it in quotes'),
        ('0x' + 'f' * 40, 'too large'),
    ],
)
def test_values_that_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        parse_value(text)


def test_changes_go_where_they_are_meant_to():
    entries = ['train:optim_g:lr=1e-5', 'train:scheduler:periods:1=30', 'datasets:train:dataroot_lq=a=b/c:d', 'val={}']
    changed = apply_force_yml(OPTIONS, [*entries, ' name = x '])
    assert changed['train'] == {'optim_g': {'lr': 1e-5}, 'scheduler': {'periods': [10, 30]}}
    assert changed['datasets']['train']['dataroot_lq'] == 'a=b/c:d' and changed['val'] == {} and changed['name'] == 'x'
    assert list(changed) == list(OPTIONS) and OPTIONS['train']['optim_g']['lr'] == 1e-3
    # One entry after the other: the second looks into what the first has put there.
    assert apply_force_yml(OPTIONS, ['path={a: 1}', 'path:a=2'])['path'] == {'a': 2}


@pytest.mark.parametrize(
    ('entry', 'message'),
    [
        ('train:optm_g:lr=1', "train has no option 'optm_g'; did you mean 'optim_g'?"),
        ('trian:optim_g:lr=1', "the options file has no option 'trian'; did you mean 'train'?"),
        ('path:experiment_root=x', "path has no option 'experiment_root'; did you mean 'experiments_root'?"),
        ('train:optim_g:lr:x=1', 'train:optim_g:lr is no group of options, but 0.001'),
        ('val:vall_freq=1', "val has no option 'vall_freq'; did you mean 'val_freq'?"),
        ('train:scheduler:periods:2=1', "a list of 2; its elements are 0 to 1, not '2'"),
        ('train:scheduler:periods:-1=1', "not '-1'"),
        ('train:scheduler:periods:²=1', "not '²'"),
        ('train', 'key:key=value expected'),
        ('=', "has no option ''"),
        ('__class__=1', "has no option '__class__'"),
        ("name']; import os; opt['name=1", 'the options file has no option '),
    ],
)
def test_keys_that_are_not_there_are_refused(entry, message):
    with pytest.raises(ValueError) as caught:
        apply_force_yml(OPTIONS, [entry])
    assert message in str(caught.value) and str(caught.value).startswith(f'--force_yml {entry}: ')


def test_all_bad_changes_are_told():
    with pytest.raises(ValueError) as caught:
        apply_force_yml(OPTIONS, ['nme=1', 'name=good', 'train:x=1'])
    assert len(str(caught.value).splitlines()) == 2 and OPTIONS['name'] == 'tiny'


def test_options_that_something_reads_are_added():
    options = {
        'model_type': 'AMSNetModel',
        'datasets': {'val': {'type': 'NoisyImageDataset'}},
        'train': {},
        'val': None,
    }
    changes = [
        'train:amp=bf16',
        'val:batch_size=8',
        'path:experiments_root=x',
        'datasets:val:cache_mb=5',
        'scheme:seed=3',
    ]
    assert apply_force_yml(options, changes) == {
        'model_type': 'AMSNetModel',
        'datasets': {'val': {'type': 'NoisyImageDataset', 'cache_mb': 5}},
        'train': {'amp': 'bf16'},
        'val': {'batch_size': 8},
        'path': {'experiments_root': 'x'},
        'scheme': {'seed': 3},
    }
    options['model_type'] = 'SRModel'
    for entry in ('train:amp=bf16', 'datasets:val:mean=1', 'scheme:seed=3'):
        with pytest.raises(ValueError, match='has no option'):
            apply_force_yml(options, [entry])
