"""The names of the blocks."""

import pytest

from amsnet_basicsr.options import blocks


def test_the_old_name_of_a_denoisers_scheme_works_with_a_warning():
    with pytest.warns(DeprecationWarning, match='DenoiserScheme'):
        assert blocks.Scheme is blocks.DenoiserScheme
    with pytest.raises(AttributeError):
        blocks.Other  # noqa: B018
