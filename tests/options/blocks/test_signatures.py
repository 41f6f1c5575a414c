"""The rules of what a constructor takes are made in no time: every training, test and check waits for them."""

import inspect

import pytest

from amsnet_basicsr.options.blocks.signatures import block_of


def takes_a_number(number: int = 1) -> None:
    """Args: none that a docstring tells."""


def takes_anything(number: int = 1, **others: object) -> None:
    """Args: none that a docstring tells."""


@pytest.mark.parametrize('found', [takes_a_number, takes_anything])
def test_no_module_is_searched_for_docstrings(found, monkeypatch):
    """Pydantic would look for those of fields in a class body, through all loaded modules: a quarter of a second."""
    monkeypatch.setattr(inspect, 'getmodule', lambda *_: pytest.fail('a search through all modules'))
    assert list(block_of(found).model_fields) == ['option_0']
