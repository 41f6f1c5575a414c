"""The schema that editors use: current, true of every file that ships, and strict about slips."""

import copy
import importlib
import json
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from amsnet_basicsr.options.blocks import datasets, file, scheme, training
from amsnet_basicsr.options.blocks.base import Block
from amsnet_basicsr.options.reader import read_options
from tests.conftest import REPOSITORY

OPTIONS = REPOSITORY / 'options'
FILES = sorted(OPTIONS.rglob('*.yml'))


def validator(path: Path) -> jsonschema.Draft7Validator:
    schema = json.loads(path.read_text(encoding='utf-8'))
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


def test_schema_and_tables_are_what_the_script_writes(monkeypatch):
    monkeypatch.syspath_prepend(REPOSITORY / 'scripts')
    script = importlib.import_module('write_options_schema')
    old = [path.name for path, text in script.render().items() if path.read_text(encoding='utf-8') != text]
    assert not old, 'run scripts/write_options_schema.py'


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.relative_to(OPTIONS).as_posix())
def test_files_name_their_schema_and_follow_it(path):
    name, _, schema = path.read_text(encoding='utf-8').partition('\n')[0].partition('$schema=')
    assert name == '# yaml-language-server: '
    errors = validator(path.parent / schema).iter_errors(read_options(str(path)))
    assert [error.message[:200] for error in errors] == []


@pytest.mark.parametrize(
    'change',
    [
        {'scheme': {'branchs': 2}},
        {'scheme': {'refine': {'type': 'R3', 'sample': 2}}},
        {'network_g': {'type': 'NAFNet', 'widht': 8}},
        {'train': {'amp': 'fp8'}},
        {'val': {'metrics': {'psnr': {'better': 'higher'}}}},
        {'datasets': {'trian': {'name': 'x', 'type': 'NoisyImageDataset'}}},
        {'datasets': {'train': {'name': 'x', 'type': 'NoisyImageDataset', 'crop': 8}}},
        {'nmae': 'x'},
    ],
)
def test_slips_are_marked(change):
    options = read_options(str(OPTIONS / 'quickstart.yml'))
    check = validator(OPTIONS / 'schema' / 'options.json')
    assert check.is_valid(options)
    changed = copy.deepcopy(options)
    for key, value in change.items():
        changed[key] = {**changed[key], **value} if isinstance(value, dict) else value
    assert not check.is_valid(changed)


def blocks(kind: type[Block] = Block) -> Iterator[type[Block]]:
    for inner in kind.__subclasses__():
        yield inner
        yield from blocks(inner)


def test_every_option_is_explained():
    rooms = {room.__name__ for room in (datasets, file, scheme, training)}
    found = [block for block in blocks() if block.__module__ in rooms]
    assert len(found) > 25
    assert [f'{b.__name__}.{n}' for b in found for n, field in b.model_fields.items() if not field.description] == []
