"""Whether networks, losses, metrics, optimizers and schedulers exist and take their options: they are built."""

import copy
import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import nn

from amsnet_basicsr.archs.layers.checkpoint_blocks import checkpoint_blocks
from amsnet_basicsr.convert.network_gate import FETCHING, too_large
from amsnet_basicsr.options.blocks.file import options_of
from amsnet_basicsr.options.blocks.messages import Finding, Key, named, wrong
from amsnet_basicsr.options.blocks.signatures import IMAGES, block_of
from amsnet_basicsr.scheme.pad import seen_to_work
from amsnet_basicsr.utils.text import did_you_mean, one_line


def wrong_parts(opt: Mapping[str, Any], clean: Callable[..., bool]) -> Iterator[Finding]:
    """Find what `type` names that doesn't exist, or doesn't take its options; the network's are `try_network`'s."""
    from basicsr.utils.registry import MODEL_REGISTRY

    name = opt.get('model_type')
    if isinstance(name, str) and registered(MODEL_REGISTRY, name) is None:
        yield wrong(f'there is no model {name!r}; {_known(name, MODEL_REGISTRY)}', 'model_type')
    names, given = _names_and_arguments()
    for key, block, options in options_of(name).groups(opt):
        name = options.get('type')
        if not block.part or not isinstance(name, str):
            continue
        if key[0] in ('train', 'network_d') and not opt['is_train']:
            continue  # a test builds neither losses nor a discriminator
        found = registered(names[block.part], name)
        if found is None:
            said = f'{named(key)}: there is no {block.part} {name!r}; {_known(name, names[block.part])}'
            yield Finding((*key, 'type'), said)
        elif block.part in given and clean(*key):
            # `better` is BasicSR's, of a metric.
            arguments = {name: value for name, value in options.items() if name not in ('type', 'better')}
            of_run = {
                name: given[block.part][name]
                for name in given[block.part].keys() & inspect.signature(found).parameters.keys()
            }
            mistakes = block_of(found).problems(arguments | dict.fromkeys(of_run, ()), key)
            yield from mistakes
            if not mistakes and block.part != 'metric' and name not in FETCHING:
                yield from _try(key, name, partial(found, **of_run, **copy.deepcopy(arguments)))[0]


def _names_and_arguments() -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return the classes and functions of each kind by name, and the arguments that the run gives to some kinds.

    Those of other kinds, networks and data sets, are checked elsewhere.
    """
    from basicsr.models import lr_scheduler
    from basicsr.utils import registry

    parameters = [torch.zeros(1, 1, requires_grad=True)]
    names = {
        'network': registry.ARCH_REGISTRY,
        'dataset': registry.DATASET_REGISTRY,
        'metric': registry.METRIC_REGISTRY,
        'loss': registry.LOSS_REGISTRY,
        'optimizer': {name: item for name, item in vars(torch.optim).items() if _is_optimizer(item)},
        'scheduler': {**vars(lr_scheduler), 'MultiStepLR': lr_scheduler.MultiStepRestartLR},
    }
    return names, {
        'metric': dict.fromkeys(IMAGES),
        'loss': {},
        'optimizer': {'params': parameters},
        'scheduler': {'optimizer': torch.optim.SGD(parameters, lr=1.0)},
    }


def _known(name: str, names: Any) -> str:
    return did_you_mean(name, sorted(names.keys()), 'there are')


def registered(names: Any, name: str) -> Any:
    """Find a class or function by name, without the line that BasicSR's registries print; else None."""
    return next((names.get(known) for known in (name, f'{name}_basicsr') if known in names), None)


def _is_optimizer(item: Any) -> bool:
    return isinstance(item, type) and issubclass(item, torch.optim.Optimizer) and item is not torch.optim.Optimizer


def attempt(build: Callable[[], Any]) -> tuple[str | None, Any]:
    """Build something; return what is wrong, or None, and what was built."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            return None, build()
    except Exception as error:  # whatever it finds wrong with its options
        plain = isinstance(error, (ValueError, OSError, AssertionError)) and str(error)
        return plain or f'{type(error).__name__}: {error}', None


def _try(key: Key, name: str, build: Callable[[], Any]) -> tuple[list[Finding], Any]:
    reason, made = attempt(build)
    return [wrong(f'{name} cannot be built: {one_line(reason)}', *key)] if reason else [], made


def try_network(network: Mapping[str, Any]) -> tuple[list[Finding], nn.Module | None]:
    """Build a network; return what is wrong, and the network, or None also where building would download weights.

    It is built on the meta device if it can be, else with random weights; PyTorch's random state is kept.
    """
    from basicsr.utils.registry import ARCH_REGISTRY

    found = registered(ARCH_REGISTRY, network['type'])
    arguments = {key: value for key, value in network.items() if key != 'type'}
    mistakes = block_of(found).problems(arguments, ('network_g',))
    for key, problem in too_large(arguments):
        mistakes.append(wrong(problem, 'network_g', key))
    if mistakes or network['type'] in FETCHING:
        return mistakes, None

    def build() -> nn.Module:
        try:
            with torch.device('meta'):
                return found(**copy.deepcopy(arguments))
        except Exception:  # some look at values while they are built
            return found(**copy.deepcopy(arguments))

    with torch.random.fork_rng(devices=[]):
        return _try(('network_g',), network['type'], build)


def wrong_denoiser(net: nn.Module, checkpointing: bool) -> Iterator[Finding]:
    """Find why a network cannot denoise as our models do: a size that changes (tried on the meta device), no blocks."""
    try:
        if all(parameter.is_meta for parameter in net.parameters()):
            seen_to_work(net)
    except ValueError as error:  # on the meta device a network may fail that works elsewhere
        if ' became ' in str(error):
            yield wrong(str(error), 'network_g')
    try:
        if checkpointing:
            checkpoint_blocks(net)
    except ValueError as error:
        yield Finding(('train', 'checkpointing'), str(error))
