"""Whether networks, losses, metrics, optimizers and schedulers take their options: they are built."""

import copy
import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import nn

from amsnet_basicsr.archs.checkpoint_blocks import checkpoint_blocks
from amsnet_basicsr.convert.network_gate import FETCHING, LARGEST_SETTING, numbers
from amsnet_basicsr.options.blocks.file import options_of
from amsnet_basicsr.options.blocks.messages import Finding, Key, named, shown
from amsnet_basicsr.options.blocks.signatures import block_of
from amsnet_basicsr.options.blocks.training import AnyTraining
from amsnet_basicsr.scheme.pad import image_channels, required_multiple
from amsnet_basicsr.utils.text import did_you_mean


def registered(names: Any, name: Any) -> Any:
    """Find a class or function in one of BasicSR's registries, without BasicSR's printed line; else None."""
    if not isinstance(name, str):
        return None
    for known in (name, f'{name}_basicsr'):
        if known in names:
            return names.get(known)
    return None


def unregistered(opt: Mapping[str, Any]) -> Iterator[Finding]:
    """Find types that are not registered."""
    from basicsr.utils import registry

    wanted: list[tuple[Key, Any, Any, str]] = []
    if opt.get('model_type') is not None:
        wanted.append((('model_type',), opt['model_type'], registry.MODEL_REGISTRY, 'model'))
    if opt['network_g'].get('type') is not None:
        wanted.append((('network_g', 'type'), opt['network_g']['type'], registry.ARCH_REGISTRY, 'network'))
    for phase, dataset in opt['datasets'].items():
        wanted.append((('datasets', phase, 'type'), dataset.get('type'), registry.DATASET_REGISTRY, 'dataset'))
    for key in _losses(opt):
        if isinstance(opt['train'].get(key), Mapping):
            wanted.append((('train', key, 'type'), opt['train'][key].get('type'), registry.LOSS_REGISTRY, 'loss'))
    for name, metric in (opt['val'].get('metrics') or {}).items():
        wanted.append((('val', 'metrics', name, 'type'), metric.get('type'), registry.METRIC_REGISTRY, 'metric'))
    for place, name, names, kind in wanted:
        where = named(place if place == ('model_type',) else place[:-1])
        if name is None:
            yield Finding(place, f'{where}: type is missing')
        elif registered(names, name) is None:
            hint = did_you_mean(name, sorted(names.keys()), 'there are')
            yield Finding(place, f'{where}: there is no {kind} {name!r}; {hint}')


def try_network(network: Mapping[str, Any]) -> tuple[list[Finding], nn.Module | None]:
    """Build a network without memory for its weights; return what is wrong, and the network or None."""
    from basicsr.utils.registry import ARCH_REGISTRY

    found = registered(ARCH_REGISTRY, network['type'])
    arguments = {key: value for key, value in network.items() if key != 'type'}
    wrong = [*_wrong_arguments(('network_g',), found, arguments)]
    for key, value in arguments.items():
        for item in numbers(value):
            if abs(item) > LARGEST_SETTING:
                said = f'network_g.{key}: {shown(item)} is more than any network has'
                wrong.append(Finding(('network_g', key), said))
                break
    if wrong:
        return wrong, None
    try:
        return [], build_network(network)
    except Exception as error:  # whatever a network finds wrong with its options
        return [Finding(('network_g',), f'network_g: {network["type"]} cannot be built: {_reason(error)}')], None


def wrong_denoiser(network: Mapping[str, Any], net: nn.Module, checkpointing: bool) -> Iterator[Finding]:
    """Find why a network cannot denoise as our models do, as far as shapes tell.

    Args:
        network: `network_g`.
        net: The network; it is run only if it is without memory.
        checkpointing: Whether its blocks are to be computed again in the backward pass.

    Yields:
        What is wrong.
    """
    if all(parameter.is_meta for parameter in net.parameters()) and (resized := _resizes(net)):
        said = f'network_g: {network["type"]} does not keep the size of images, which a denoiser must ({resized})'
        yield Finding(('network_g',), said)
    try:
        if checkpointing:
            checkpoint_blocks(net)
    except ValueError as error:
        yield Finding(('train', 'checkpointing'), str(error))


def build_network(network: Mapping[str, Any]) -> nn.Module | None:
    """Build a network on the meta device if it can be, else with random weights; None if it would download weights.

    PyTorch's random state is kept.

    Raises:
        Exception: Whatever the network raises.
    """
    from basicsr.utils.registry import ARCH_REGISTRY

    arguments = copy.deepcopy({key: value for key, value in network.items() if key != 'type'})
    if network['type'] in FETCHING:
        return None
    found = registered(ARCH_REGISTRY, network['type'])
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter('ignore')
        try:
            with torch.device('meta'):
                return found(**copy.deepcopy(arguments))
        except Exception:  # some look at values while they are built
            return found(**arguments)


def _resizes(net: nn.Module) -> str | None:
    """Tell which size of images becomes which other one; None if none does, or if nothing tells."""
    try:
        multiple = required_multiple(net)
        shape = (1, image_channels(net), *2 * [multiple * -(-32 // multiple)])
        output = tuple(net(torch.zeros(shape, device='meta')).shape)
        return None if output == shape else f'{shape} became {output}'
    except Exception as error:  # whatever a network says of a shape
        return str(error) if ' became ' in str(error) else None


def wrong_losses(opt: Mapping[str, Any], clean: Callable[..., bool]) -> Iterator[Finding]:
    """Build the losses."""
    from basicsr.utils.registry import LOSS_REGISTRY

    for key in _losses(opt):
        loss = opt['train'].get(key)
        if isinstance(loss, Mapping) and 'type' in loss and clean('train', key):
            found = registered(LOSS_REGISTRY, loss['type'])
            arguments = {name: value for name, value in loss.items() if name != 'type'}
            wrong = [*_wrong_arguments(('train', key), found, arguments)]
            yield from wrong
            if not wrong and loss['type'] not in FETCHING:
                yield from _try(('train', key), loss['type'], found, arguments)


def wrong_optimizer(train: Mapping[str, Any], clean: Callable[..., bool]) -> Iterator[Finding]:
    """Build optimizer and scheduler."""
    settings = train.get('optim_g')
    scheduler = train.get('scheduler')
    optimizer: Any = torch.optim.SGD([torch.zeros(1, 1, requires_grad=True)], lr=1.0)
    if isinstance(settings, Mapping):
        known = {name: item for name, item in vars(torch.optim).items() if _is_optimizer(item)}
        found = known.get(str(settings.get('type')))
        if found is None:
            hint = did_you_mean(settings.get('type'), known, 'there are')
            said = f'train.optim_g: torch.optim has no optimizer {settings.get("type")!r}; {hint}'
            yield Finding(('train', 'optim_g', 'type'), said)
        elif clean('train', 'optim_g'):
            arguments = {name: value for name, value in settings.items() if name != 'type'}
            wrong = _wrong_arguments(('train', 'optim_g'), found, {'params': (), **arguments})
            parameters = [torch.zeros(1, 1, requires_grad=True)]
            yield from wrong or _try(('train', 'optim_g'), settings['type'], found, {'params': parameters, **arguments})
    if isinstance(scheduler, Mapping) and clean('train', 'scheduler'):
        from basicsr.models import lr_scheduler

        kind = scheduler['type'].replace('MultiStepLR', 'MultiStepRestartLR')
        found = getattr(lr_scheduler, kind)
        arguments = {name: value for name, value in scheduler.items() if name != 'type'}
        bound = {'optimizer': optimizer, **arguments}
        yield from _wrong_arguments(('train', 'scheduler'), found, bound) or _try(
            ('train', 'scheduler'), kind, found, bound
        )


def _losses(opt: Mapping[str, Any]) -> tuple[str, ...]:
    train = options_of(opt.get('model_type')).section('train')
    return train.losses if issubclass(train, AnyTraining) else ()


def _is_optimizer(item: Any) -> bool:
    return isinstance(item, type) and issubclass(item, torch.optim.Optimizer) and item is not torch.optim.Optimizer


def wrong_metrics(val: Mapping[str, Any], clean: Callable[..., bool]) -> Iterator[Finding]:
    """Compare the settings of metrics with their parameters."""
    from basicsr.utils.registry import METRIC_REGISTRY

    for name, metric in (val.get('metrics') or {}).items():
        if clean('val', 'metrics', name) and 'type' in metric:
            arguments = {key: value for key, value in metric.items() if key not in ('type', 'better')}
            found = registered(METRIC_REGISTRY, metric['type'])
            taken = inspect.signature(found).parameters
            images = dict.fromkeys(name for name in ('img', 'img2', 'noisy', 'prediction') if name in taken)
            yield from _wrong_arguments(('val', 'metrics', name), found, {**images, **arguments})


def _try(where: Key, name: str, found: Callable[..., Any], arguments: Mapping[str, Any]) -> Iterator[Finding]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            found(**arguments)
    except Exception as error:  # whatever it finds wrong with its options
        yield Finding(where, f'{named(where)}: {name}: {_reason(error)}')


def _reason(error: Exception) -> str:
    said = ' '.join(str(error).split())[:300]
    return said if isinstance(error, (ValueError, AssertionError)) and said else f'{type(error).__name__}: {said}'


def _wrong_arguments(where: Key, found: Callable[..., Any], arguments: Mapping[str, Any]) -> list[Finding]:
    """Find arguments that are unknown, missing, or of another type than annotated."""
    return block_of(found).problems(arguments, where)
