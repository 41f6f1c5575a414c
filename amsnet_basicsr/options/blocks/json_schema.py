"""The JSON schema of options files, by which editors complete and check them, and the tables of the documentation."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from amsnet_basicsr.options.blocks import datasets, file, scheme, simulation, training, validation
from amsnet_basicsr.options.blocks.base import Block
from amsnet_basicsr.options.blocks.messages import annotated, fields_of, words
from amsnet_basicsr.options.blocks.signatures import IMAGES, block_of
from amsnet_basicsr.scheme import REFINEMENTS

Classes = Mapping[str, Callable[..., Any]]
_DRAFT = 'http://json-schema.org/draft-07/schema#'
_SECTIONS: dict[str, type[Block]] = {
    'The file': file.AMSNetOptions,
    '`scheme`': scheme.SchemeOptions,
    '`scheme` of APBSNModel': scheme.APBSNOptions,
    '`datasets`: every set': datasets.DatasetOptions,
    **{f'`datasets`: {name}': block for name, block in datasets.DATASETS.items()},
    '`camera` of CameraNoiseDataset': simulation.CameraOptions,
    '`train`': training.AMSNetTraining,
    '`train` of APBSNModel': training.APBSNTraining,
    '`train` of SRModel': training.SRTraining,
    '`train.optim_g`': training.Optimizer,
    '`train.scheduler`': training.Scheduler,
    '`val`': validation.OurValidation,
    '`val.metrics`: every metric': validation.Metric,
    '`path`': file.Path,
    '`logger`': file.Logger,
    '`dist_params`': file.DistParams,
}


class _Untitled(GenerateJsonSchema):
    """Leaves out the titles that pydantic makes of names."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def options_schema(networks: Classes, losses: Classes, metrics: Classes) -> dict[str, Any]:
    """Write the JSON schema of options files."""
    taken: dict[str, Mapping[str, type[BaseModel]]] = {
        'Network': {name: block_of(found, name) for name, found in networks.items()},
        'Loss': {name: block_of(found, name) for name, found in losses.items()},
        'Metric': {name: block_of(found, name, IMAGES) for name, found in metrics.items()},
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


def tables() -> str:
    """Write the tables of the documentation, in Markdown: every option, what it may be, its default and meaning."""
    return '\n\n'.join('\n'.join(_table(title, block)) for title, block in _SECTIONS.items())


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
