"""Write the JSON schema of options files, options/schema, and the tables of docs/reference/options.md."""

import argparse
import inspect
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from amsnet_basicsr import losses, metrics
from amsnet_basicsr.archs import ARCHS
from amsnet_basicsr.options.blocks import datasets, file, scheme
from amsnet_basicsr.options.blocks.base import Block
from amsnet_basicsr.options.blocks.messages import annotated, fields_of, group_in, mapped, words
from amsnet_basicsr.options.blocks.signatures import IMAGES, block_of
from amsnet_basicsr.scheme import REFINEMENTS

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / 'docs' / 'reference' / 'options.md'
BEGIN, END = '<!-- tables: scripts/write_options_schema.py -->\n', '<!-- end of tables -->\n'
_DRAFT = 'http://json-schema.org/draft-07/schema#'


class _Untitled(GenerateJsonSchema):
    """Leaves out the titles that pydantic makes of names."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def options_schema() -> dict[str, Any]:
    """Write the JSON schema of options files."""
    taken: dict[str, Mapping[str, type[BaseModel]]] = {
        'Network': {name: block_of(found, name) for name, found in ARCHS.items()},
        'Loss': {name: block_of(getattr(losses, name), name) for name in losses.__all__ if name[0].isupper()},
        'Metric': {name: block_of(getattr(metrics, name), name, IMAGES) for name in metrics.__all__},
        'Dataset': datasets.DATASETS,
        'Refinement': {name: block_of(found, name) for name, found in REFINEMENTS.items()},
    }
    models: list[type[Block]] = list(dict.fromkeys([*file.MODELS.values(), file.OtherOptions]))
    blocks: list[type[BaseModel]] = [*models, datasets.DatasetOptions]
    blocks += [block for kind in taken.values() for block in kind.values()]
    _, schema = models_json_schema([(block, 'validation') for block in blocks], schema_generator=_Untitled)
    defs: dict[str, Any] = schema['$defs']
    defs |= {'Dataset': {'type': 'object', 'required': ['name', 'type'], 'properties': {'type': {'type': 'string'}}}}
    for kind in ('Network', 'Loss', 'Metric', 'Dataset'):
        defs[kind]['allOf'] = _by_type('type', taken[kind])
        defs[kind]['properties']['type'] = {'anyOf': [{'enum': list(taken[kind])}, {'type': 'string'}]}
    refinements = [{'$ref': f'#/$defs/{block.__name__}'} for block in taken['Refinement'].values()]
    for block in (scheme.SchemeOptions, scheme.APBSNOptions):
        defs[block.__name__]['properties']['refine'] |= {'anyOf': [*refinements, {'type': 'null'}]}
    train = {'$ref': '#/$defs/Dataset', 'required': list(datasets.DatasetOptions.needed_in_training)}
    for model in models:
        defs[model.__name__]['properties']['datasets'] |= {
            'properties': {'train': {'allOf': [{'$ref': '#/$defs/Dataset'}, train]}},
            'patternProperties': {'^(val|test)(_.*)?$': {'$ref': '#/$defs/Dataset'}},
            'additionalProperties': False,
        }
    model_type = {'anyOf': [{'enum': list(file.MODELS)}, {'type': 'string'}]}
    others = {'if': {'not': {'properties': {'model_type': {'enum': list(file.MODELS)}}}}}
    return {
        '$schema': _DRAFT,
        'title': 'Options of one training or one test',
        'type': 'object',
        'required': ['name', 'model_type'],
        'properties': {'model_type': model_type},
        'allOf': [*_by_type('model_type', file.MODELS), {**others, 'then': {'$ref': '#/$defs/OtherOptions'}}],
        '$defs': defs,
    }


def comparison_schema() -> dict[str, Any]:
    """Write the JSON schema of options with a base, such as comparisons."""
    group = {'type': 'object'}
    setting = {**group, 'description': 'Options that differ from the base; ~ takes one out.'}
    return {
        '$schema': _DRAFT,
        'title': 'Options laid over a base, alone or in several settings',
        **group,
        'required': ['base', 'name'],
        'properties': {
            'base': {'type': 'string', 'description': 'Options file that all settings share, relative to this file.'},
            'name': {'type': 'string', 'description': 'Beginning of the names of the experiments.'},
            'reference': {'type': 'string', 'description': 'The setting that the others are compared with.'},
            'settings': {**group, 'additionalProperties': setting, 'description': 'Settings by name.'},
        },
    }


def sections() -> dict[type[Block], str]:
    """List the groups of options with the titles of their tables: each once, by the first place that has it."""
    found: dict[type[Block], str] = {}
    for model, block in file.MODELS.items():
        _add_sections(found, block, '', '' if block is file.AMSNetOptions else f' of {model}')
    found[datasets.DatasetOptions] = '`datasets`: every set'
    for name, dataset in datasets.DATASETS.items():
        found[dataset] = f'`datasets`: {name}'
        for key, field in fields_of(dataset).items():
            _add_sections(found, group_in(field.annotation), f'datasets.SET.{key}', '')
    return {block: title for block, title in found.items() if title}


def _add_sections(found: dict[type[Block], str], block: type[Block] | None, path: str, of: str) -> None:
    """Add a group and those within it; none that is built, as the tables of its class tell its options."""
    if block is None or block in found:
        return
    found[block] = (f'`{path}`' if path else '' if of else 'The file') + (of if path else '')
    for name, field in fields_of(block).items():
        _add_sections(found, group_in(field.annotation), f'{path}.{name}'.lstrip('.'), of)
        _add_sections(found, group_in(mapped(field.annotation)), f'{path}.{name}'.lstrip('.') + '.NAME', of)


def tables() -> str:
    """Write the tables of the documentation, in Markdown: every option, what it may be, its default and meaning."""
    return '\n\n'.join('\n'.join(_table(title, block)) for block, title in sections().items())


def _table(title: str, block: type[Block]) -> Iterator[str]:
    yield f'### {title}\n'
    yield f'{(inspect.getdoc(block) or "").strip()}\n'
    yield '| option | what it may be | default | meaning |'
    yield '|---|---|---|---|'
    shared = datasets.DatasetOptions.model_fields if block in datasets.DATASETS.values() else {}
    for name, field in fields_of(block).items():
        if name in shared and field.default == shared[name].default:
            continue
        default = 'required' if field.is_required() else _yaml(field.default)
        meaning = ' '.join((field.description or '').split()).replace('|', '\\|')
        yield f'| `{name}` | {words(annotated(field))} | {default} | {meaning} |'


def _yaml(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f'[{", ".join(map(_yaml, value))}]'
    if value is None or isinstance(value, bool):
        return {True: 'true', False: 'false', None: '~'}[value]
    return f'{value:g}' if isinstance(value, float) else str(value)


def _by_type(key: str, classes: Mapping[str, type[BaseModel]]) -> list[dict[str, Any]]:
    return [
        {
            'if': {'required': [key], 'properties': {key: {'const': name}}},
            'then': {'$ref': f'#/$defs/{block.__name__}'},
        }
        for name, block in classes.items()
    ]


def render() -> dict[Path, str]:
    """What the files should hold, by path."""
    folder = ROOT / 'options' / 'schema'
    schemas = {'options.json': options_schema(), 'comparison.json': comparison_schema()}
    files = {folder / name: json.dumps(schema, indent=1, ensure_ascii=False) + '\n' for name, schema in schemas.items()}
    before, _, rest = DOCS.read_text(encoding='utf-8').partition(BEGIN)
    return {**files, DOCS: f'{before}{BEGIN}\n{tables()}\n\n{END}{rest.partition(END)[2]}'}


def main() -> int:
    """Write the files that aren't current."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    for path, text in render().items():
        if not path.exists() or path.read_text(encoding='utf-8') != text:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding='utf-8')
            print(path)
    return 0


if __name__ == '__main__':
    sys.exit(main())
