"""What the options reader refuses beside code: doubled and odd keys, bombs, and files that are no options files."""

import os

import pytest
import yaml

from amsnet_basicsr.options.reader import MOST_BYTES, OptionsLoader, read_options


@pytest.fixture
def read(tmp_path):
    def write_and_read(text: str | bytes) -> dict:
        path = tmp_path / 'o.yml'
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return read_options(str(path))

    return write_and_read


def bomb(levels: int, width: int, item: str) -> str:
    """The billion laughs."""
    lines = ['a0: &a0 x' if item == '[{}]' else 'a0: &a0 {k: v}']
    for level in range(1, levels):
        inner = ', '.join([f'*a{level - 1}'] * width)
        lines.append(f'a{level}: &a{level} ' + item.format(inner))
    return '\n'.join(lines)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n', "line 5: 'c' is there a second time, first in line 3"),
        ('a: {b: 1, "b": 2}', "line 1: 'b' is there a second time"),
        ('train: {}\n<<: {x: 1}\n<<: {y: 1}\n', "line 3: '<<' is there a second time"),
        ('1: a', "line 1: a key must be text, but '1' is none to YAML; put it in quotes"),
        ('on: a', "a key must be text, but 'on' is none to YAML"),
        ('~: a', "a key must be text, but '~' is none"),
        ('? [a]\n: 1', 'a key must be text, but a list or group is none'),
        ('!!python/name:os.system x: 1', '!!python/name:os.system is refused'),
        ('a: !!python/object/new:os.system [x]', '!!python/object/new:os.system is refused'),
        ('a: !!python/module:os x', '!!python/module:os is refused'),
        ('a: !!python/tuple [1]', '!!python/tuple is refused'),
        ('a: !mine x', '!mine is refused'),
        ('a: !!binary eA==', '!!binary is refused'),
        ('a: !!set {x}', '!!set is refused'),
        ('a: &a [*a]', 'leads to the group that it stands in'),
        ('a: &a {<<: *a}', 'leads to the group that it stands in'),
        ('a: &a {<<: [*a]}', 'leads to the group that it stands in'),
        ('a: &a\n  b: *a', 'line 1: a reference'),
        ('a: *none', "line 1: found undefined alias 'none'"),
        ('<<: 5', 'expected a mapping or list of mappings for merging'),
        ('a: !!int x', "line 1: 'x' is no valid int"),
        ('a: !!float ""', 'is no valid float'),
        ('a: !!bool maybe', 'is no valid bool'),
        ('a: !!timestamp x', 'is no valid timestamp'),
        ('a: 2024-13-01', "'2024-13-01' is no valid timestamp"),
        ('a:\n  b: [0, 2024-01-31]', 'line 2: 2024-01-31 is a date to YAML; put it in quotes'),
        ('a: 0b_', "'0b_' is no valid int"),
        ('a: 123456789012345678901234567890', 'line 1: a whole number of 97 bits is too large'),
        ('a: "x\\0y"', r"line 1: the text 'x\\x00y' holds an invalid character"),
        ('a: "\\ud800"', 'holds an invalid character'),
        ('"\\0": 1', 'holds an invalid character'),
        ('a: ' + '[' * 45 + ']' * 45, 'nested deeper than 40 levels'),
        ('a: ' + '[' * 3000, 'nested deeper than 40 levels'),
        ('a: !!pyt0x' + 'f' * 5000 + ' x', r'!!pyt0xf+…$'),
        ('a: x\x07y', 'line 1: a character that YAML does not allow'),
        ('a: 1\n---\nb: 1', 'line 2: but found another document'),
        (b'a: 1\nb: \xff', 'line 2: no UTF-8 text'),
        (b'a: 1\n' + b'#' * MOST_BYTES, 'no options file'),
        ('\tname: x', 'line 1: found character'),
        ('just a word', 'holds no options'),
    ],
)  # fmt: skip
def test_refused(read, text, message):
    with pytest.raises(ValueError, match=message) as caught:
        read(text)
    assert 'o.yml' in str(caught.value)


def test_bombs_do_not_blow_up(read):
    with pytest.raises(ValueError, match='more than 20000 values'):
        read(bomb(30, 10, '[{}]'))  # of 10^29 values: followed, it would never end
    try:
        assert read(bomb(30, 10, '{{<<: [{}]}}')) == {f'a{level}': {'k': 'v'} for level in range(30)}
    except ValueError as error:  # older PyYAML merges a key as often as it is named
        assert 'more than 20000 values' in str(error)
    with pytest.raises(ValueError, match='nested deeper'):
        read('\n'.join(['a0: &a0 [x]'] + [f'a{level}: &a{level} [*a{level - 1}]' for level in range(1, 3000)]))


def test_references_and_merged_groups_work_and_share_nothing(read):
    options = read(
        'base: &base {type: A, n: [1]}\nval: *base\n'
        'val_2: {<<: *base, n: 2, m: 3}\nval_3: {m: 0, <<: [*base, {q: 1}]}\n'
    )
    assert options == {
        'base': {'type': 'A', 'n': [1]}, 'val': {'type': 'A', 'n': [1]}, 'val_2': {'type': 'A', 'n': 2, 'm': 3},
        'val_3': {'type': 'A', 'n': [1], 'q': 1, 'm': 0},
    }  # fmt: skip
    options['val']['n'].append(2)
    assert options['base']['n'] == [1]


def test_order_and_values_are_those_of_the_file(read):
    text = '\ufeffz: 1\ny: yes\nx: 1e-4\nw: !!float 1e-4\nv: ~\nu: "1"\nt: = \ns: 0x10\nr: <<\nä ö: ü\n'
    options = read(text)
    assert list(options) == ['z', 'y', 'x', 'w', 'v', 'u', 't', 's', 'r', 'ä ö']
    assert list(options.values()) == [1, True, '1e-4', 1e-4, None, '1', '=', 16, '<<', 'ü']
    assert yaml.load('a: !!python/name:amsnet_basicsr.__version__', Loader=OptionsLoader) == {
        'a': 'amsnet_basicsr.__version__'
    }


def test_files_that_are_none(tmp_path):
    for path, message in (
        (str(tmp_path), 'cannot be read: Is a directory'),
        (str(tmp_path / 'none.yml'), 'cannot be read: No such file'),
        ('a\0b', 'cannot be read'),
        ('/dev/zero', 'larger than 200 kB'),
    ):
        with pytest.raises(ValueError, match=message):
            read_options(path)
    if os.geteuid():
        (tmp_path / 'secret.yml').write_text('a: 1')
        (tmp_path / 'secret.yml').chmod(0)
        with pytest.raises(ValueError, match='Permission denied'):
            read_options(str(tmp_path / 'secret.yml'))
