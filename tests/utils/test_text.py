"""Whatever a file holds becomes one short printable line."""

import pytest

from amsnet_basicsr.utils.text import as_text, did_you_mean, first_line, name_some, one_line


@pytest.mark.parametrize(
    ('given', 'line'),
    [
        ('a\n  b', 'a b'),
        ('a\x1b[0mb', 'a\\x1b[0mb'),
        ('\udcff', '\\udcff'),
        (7, '7'),
        pytest.param(10**5000, 'a int', id='long number'),
        ([], 'a list'),
        (ValueError(), 'ValueError'),
        (ValueError('a\nb'), 'a b'),
        pytest.param('x' * 10**6, 'x' * 300 + '…', id='long text'),
    ],
)
def test_anything_becomes_one_line(given, line):
    assert one_line(given) == line


def test_first_line_and_names():
    assert first_line(ValueError('\n a \nb')) == 'a' and first_line(KeyboardInterrupt()) == 'KeyboardInterrupt'
    assert name_some(['a', 'b\n'], 2) == 'a, b\\n' and name_some('abcd', 2, '; ') == 'a; b; and 2 more'
    assert as_text('a\udcff') == 'a\\xff' and as_text('ü') == 'ü'


def test_names_that_differ_in_case_alone_are_all_listed():
    assert did_you_mean('zzz', ['UNet', 'unet']) == 'known: UNet, unet'
    assert did_you_mean('UNT', ['unet', 'dncnn']) == "did you mean 'unet'?"
