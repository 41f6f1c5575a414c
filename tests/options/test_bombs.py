"""Files made to take time or memory: refused at once, whatever they are made of."""

import time

import pytest

from amsnet_basicsr.options.reader import MOST_BYTES, MOST_VALUES, read_options

LIMIT_S = 20  # on a busy machine; each took from half a minute up before there were limits
_DOUBLING = ''.join(f'a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n' for n in range(1, 60))
_MERGING = ''.join(f'b{n}: &b{n} {{<<: [{", ".join([f"*b{n - 1}"] * 9)}]}}\n' for n in range(1, 30))


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('a: 1' + ':59' * (MOST_BYTES // 3 - 9), 'a number of '),
        ('a: 1' + ':59' * (MOST_BYTES // 3 - 9) + '.5', 'a number of '),
        ('a: 0x' + 'f' * (MOST_BYTES - 9), 'a number of '),
        ('a: [' + '1,' * (MOST_BYTES // 2 - 9) + ']', f'more than {MOST_VALUES} values'),
        ('a: ' + '[' * (MOST_BYTES - 9), f'more than {MOST_VALUES} values'),
        ('a: ' + '[' * 9000, 'nested deeper'),
        ('a: ' + '{a: ' * 9000, 'nested deeper'),
        ('- ' * (MOST_BYTES // 2 - 9), 'nested deeper'),
        ('? ' * (MOST_BYTES // 2 - 9), 'nested deeper'),
        ('a0: &a0 [1]\n' + _DOUBLING, f'more than {MOST_VALUES} values'),
        ('b0: &b0 {x: 1}\n' + _MERGING, ''),
        ('a: "' + '\\u0041' * (MOST_BYTES // 6 - 9), ''),
        ('a: ' + 'b ' * (MOST_BYTES // 2 - 9), ''),
        ('a: |\n' + ' b\n' * 9000, ''),
        ('#' * (MOST_BYTES + 1), 'no options file'),
    ],
)
def test_they_end_soon(tmp_path, text, message):
    path = tmp_path / 'bomb.yml'
    path.write_text(text)
    began = time.process_time()
    if message:
        with pytest.raises(ValueError, match=message):
            read_options(str(path))
    else:
        try:
            read_options(str(path))
        except ValueError as error:
            assert len(str(error)) < 1000
    assert time.process_time() - began < LIMIT_S
