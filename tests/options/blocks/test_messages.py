"""What types admit, in words."""

import typing

import pytest

from amsnet_basicsr.options.blocks.messages import words


@pytest.mark.parametrize(
    ('annotation', 'said'),
    [
        (list[int], 'a list, each a whole number'),
        (tuple[int, ...], 'a list, each a whole number'),
        (tuple[int, int], 'a list of 2: a whole number, a whole number'),
        (typing.List, 'a list'),  # noqa: UP006 - constructors of users have such
        (typing.Tuple, 'a list'),  # noqa: UP006
        (list[int] | None, 'a list, each a whole number'),
    ],
)
def test_lists(annotation, said):
    assert words(annotation) == said
