"""Whether networks, losses, metrics, optimizers and schedulers exist and take their options: they are built."""

import copy
import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import nn

from amsnet_basicsr.archs.checkpoint_blocks import checkpoint_blocks
from amsnet_basicsr.convert.network_gate import FETCHING, too_large
from amsnet_basicsr.options.blocks.file import MODELS, options_of
from amsnet_basicsr.options.blocks.messages import Finding, Key, named
from amsnet_basicsr.options.blocks.signatures import IMAGES, block_of
from amsnet_basicsr.options.blocks.training import AnyTraining
from amsnet_basicsr.scheme.pad import image_channels, required_multiple
from amsnet_basicsr.utils.text import did_you_mean


class Part(NamedTuple):
    """A class or function that a group of options names by `type`, the other options being its arguments."""

    key: Key
    options: Mapping[str, Any]
    kind: str
    #: The classes or functions by name, a dictionary or one of BasicSR's registries.
    names: Any
    #: Arguments that are not options; only those in the signature are passed.
    given: Mapping[str, Any] = {}


def parts_of(opt: Mapping[str, Any]) -> Iterator[Part]:
    """List what a run builds of its options, groups of the wrong shape left out."""
    from basicsr.utils import registry

    train, val, is_train = opt['train'], opt['val'], opt['is_train']
    yield Part(('model_type',), {'type': opt.get('model_type')}, 'model', registry.MODEL_REGISTRY)
    yield Part(('network_g',), opt['network_g'], 'network', registry.ARCH_REGISTRY)
    for phase, dataset in opt['datasets'].items():
        yield Part(('datasets', phase), dataset, 'dataset', registry.DATASET_REGISTRY)
    for name, metric in (val.get('metrics') or {}).items():
        options = {key: value for key, value in metric.items() if key != 'better'}
        yield Part(('val', 'metrics', name), options, 'metric', registry.METRIC_REGISTRY, dict.fromkeys(IMAGES))
    block = options_of(opt.get('model_type')).section('train')
    for key in block.losses if is_train and issubclass(block, AnyTraining) else ():
        yield Part(('train', key), train.get(key), 'loss', registry.LOSS_REGISTRY)
    if is_train and opt.get('model_type') in MODELS:  # another may read its optimizers otherwise
        from basicsr.models import lr_scheduler

        parameters = [torch.zeros(1, 1, requires_grad=True)]
        optimizers = {name: item for name, item in vars(torch.optim).items() if _is_optimizer(item)}
        schedulers = {**vars(lr_scheduler), 'MultiStepLR': lr_scheduler.MultiStepRestartLR}
        optimizer = torch.optim.SGD(parameters, lr=1.0)
        yield Part(('train', 'optim_g'), train.get('optim_g'), 'optimizer', optimizers, {'params': parameters})
        yield Part(('train', 'scheduler'), train.get('scheduler'), 'scheduler', schedulers, {'optimizer': optimizer})


def wrong_parts(opt: Mapping[str, Any], clean: Callable[..., bool]) -> Iterator[Finding]:
    """Find parts that don't exist, or don't take their options; the network is `try_network`'s."""
    for part in parts_of(opt):
        name = part.options.get('type') if isinstance(part.options, Mapping) else None
        if not isinstance(name, str):
            continue  # the blocks say whether it may be missing
        found = registered(part.names, name)
        if found is None:
            hint = did_you_mean(name, sorted(part.names.keys()), 'there are')
            key = part.key if part.kind == 'model' else (*part.key, 'type')
            yield Finding(key, f'{named(part.key)}: there is no {part.kind} {name!r}; {hint}')
        elif part.kind not in ('model', 'network', 'dataset') and clean(*part.key):
            arguments = {key: value for key, value in part.options.items() if key != 'type'}
            given = {key: part.given[key] for key in part.given.keys() & inspect.signature(found).parameters.keys()}
            wrong = block_of(found).problems(arguments | dict.fromkeys(given, ()), part.key)
            yield from wrong
            if not wrong and part.kind != 'metric' and name not in FETCHING:
                yield from _try(part.key, name, partial(found, **given, **copy.deepcopy(arguments)))[0]


def registered(names: Any, name: str) -> Any:
    """Find a class or function by name, without the line that BasicSR's registries print; else None."""
    return next((names.get(known) for known in (name, f'{name}_basicsr') if known in names), None)


def _is_optimizer(item: Any) -> bool:
    return isinstance(item, type) and issubclass(item, torch.optim.Optimizer) and item is not torch.optim.Optimizer


def _try(key: Key, name: str, build: Callable[[], Any]) -> tuple[list[Finding], Any]:
    """Build something; return what is wrong and what was built."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            return [], build()
    except Exception as error:  # whatever it finds wrong with its options
        said = ' '.join(str(error).split())[:300]
        reason = said if isinstance(error, (ValueError, AssertionError)) and said else f'{type(error).__name__}: {said}'
        return [Finding(key, f'{named(key)}: {name} cannot be built: {reason}')], None


def try_network(network: Mapping[str, Any]) -> tuple[list[Finding], nn.Module | None]:
    """Build a network; return what is wrong, and the network, or None also where building would download weights.

    It is built on the meta device if it can be, else with random weights; PyTorch's random state is kept.
    """
    from basicsr.utils.registry import ARCH_REGISTRY

    found = registered(ARCH_REGISTRY, network['type'])
    arguments = {key: value for key, value in network.items() if key != 'type'}
    wrong = block_of(found).problems(arguments, ('network_g',))
    for key, problem in too_large(arguments):
        wrong.append(Finding(('network_g', key), f'network_g.{key}: {problem}'))
    if wrong or network['type'] in FETCHING:
        return wrong, None

    def build() -> nn.Module:
        try:
            with torch.device('meta'):
                return found(**copy.deepcopy(arguments))
        except Exception:  # some look at values while they are built
            return found(**copy.deepcopy(arguments))

    with torch.random.fork_rng(devices=[]):
        return _try(('network_g',), network['type'], build)


def wrong_denoiser(network: Mapping[str, Any], net: nn.Module, checkpointing: bool) -> Iterator[Finding]:
    """Find why a network cannot denoise as our models do: a size that changes (tried on the meta device), no blocks."""
    if all(parameter.is_meta for parameter in net.parameters()) and (resized := _resizes(net)):
        said = f'network_g: {network["type"]} does not keep the size of images, which a denoiser must ({resized})'
        yield Finding(('network_g',), said)
    try:
        if checkpointing:
            checkpoint_blocks(net)
    except ValueError as error:
        yield Finding(('train', 'checkpointing'), str(error))


def _resizes(net: nn.Module) -> str | None:
    """Tell which size of images becomes which other one; None if none does, or if nothing tells."""
    try:
        multiple = required_multiple(net)
        shape = (1, image_channels(net), *2 * [multiple * -(-32 // multiple)])
        output = tuple(net(torch.zeros(shape, device='meta')).shape)
        return None if output == shape else f'{shape} became {output}'
    except Exception as error:  # whatever a network says of a shape
        return str(error) if ' became ' in str(error) else None
