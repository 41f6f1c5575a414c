"""Any network of the library spandrel as a denoiser; needs the extra `[spandrel]`."""

import inspect
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from amsnet_basicsr.utils.text import did_you_mean


class SpandrelArch(nn.Module):
    """A network of spandrel, built from hyper-parameters.

    Its state dict has the keys of that network, so weights from elsewhere load and ours load elsewhere. Images are
    padded to what spandrel says the network needs: a least size, a multiple, or squares.

    Args:
        arch: Name of the network's class in spandrel, e.g. 'SCUNet', 'SwinIR', 'Uformer'.
        size_multiple: What both sides of its input must be divisible by; None asks spandrel, which goes by the common
            configuration of a network.
        **options: The network's hyper-parameters, under spandrel's names; the rest has spandrel's defaults.

    Raises:
        ImportError: If spandrel isn't installed.
        ValueError: If spandrel has no such network, or the network no such hyper-parameter, with the nearest name; or
            if spandrel doesn't know the network's size multiple.
    """

    def __init__(self, arch: str, size_multiple: int | None = None, **options: Any) -> None:
        super().__init__()
        network, architecture = find_network(arch)
        _refuse_unknown(options, network)
        self.net = network(**options)
        needs = _size_requirements(self.net, architecture)
        if needs is None and size_multiple is None:
            raise ValueError(
                f'spandrel does not know what size of images this {arch} needs; say what both sides must be divisible '
                f'by, e.g. size_multiple: 8'
            )
        # A multiple that is given replaces the minimum too, which spandrel rounds up to its own multiple.
        self.size_multiple: int = size_multiple or needs.multiple_of  # type: ignore[union-attr]
        self.minimum: int = size_multiple or needs.minimum  # type: ignore[union-attr]
        self.square = needs is not None and needs.square
        self.register_state_dict_post_hook(_drop_prefix)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_add_prefix)  # type: ignore[no-untyped-call]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Denoise images.

        Args:
            x: Images, (N, C, H, W), in [0, 1], of any size.

        Returns:
            Denoised images, (N, C, H, W), not clipped.

        Raises:
            ValueError: If the network returns anything but images of the size that came in.
        """
        h, w = x.shape[-2:]
        height, width = (-(-max(side, self.minimum) // self.size_multiple) * self.size_multiple for side in (h, w))
        if self.square:
            height = width = max(height, width)
        if (height, width) != (h, w):
            mode = 'reflect' if height < 2 * h and width < 2 * w else 'replicate'
            x = F.pad(x, (0, width - w, 0, height - h), mode)
        out = self.net(x)
        if not isinstance(out, torch.Tensor) or out.shape != x.shape:
            found = tuple(out.shape) if isinstance(out, torch.Tensor) else f'a {type(out).__name__}'
            raise ValueError(
                f'{type(self.net).__name__} returns {found} for images {tuple(x.shape)}; a denoiser must return images '
                f'of the same size (upscale: 1?)'
            )
        return out[..., :h, :w]


def find_network(name: str) -> tuple[type[nn.Module], Any]:
    """Find a network of spandrel by the name of its class.

    Args:
        name: Name of the class.

    Returns:
        The class, and spandrel's description of the architecture.

    Raises:
        ImportError: If spandrel isn't installed.
        ValueError: If there is no such network.
    """
    try:
        from spandrel import MAIN_REGISTRY
    except ImportError as error:
        raise ImportError(
            f"SpandrelArch needs the library spandrel ({error}): pip install 'amsnet-basicsr[spandrel]'"
        ) from error
    networks = {}
    for entry in MAIN_REGISTRY:
        module = inspect.getmodule(type(entry.architecture))
        for public in getattr(module, '__all__', ()):
            network = getattr(module, public)
            if isinstance(network, type) and issubclass(network, nn.Module):
                networks[public] = network, entry.architecture
    if name not in networks:
        hint = did_you_mean(name, sorted(networks, key=str.lower), 'it has')
        raise ValueError(f'spandrel has no network {name!r}; {hint}')
    return networks[name]


def _refuse_unknown(options: dict[str, Any], network: type[nn.Module]) -> None:
    known = inspect.signature(network).parameters
    if any(parameter.kind == parameter.VAR_KEYWORD for parameter in known.values()):
        return
    for name in options:
        if name not in known:
            raise ValueError(f'{network.__name__} has no option {name!r}; {did_you_mean(name, known)}')


def _size_requirements(net: nn.Module, architecture: Any) -> Any | None:
    """Let spandrel recognise the network's own weights, as it says only then what size of images they need.

    Args:
        net: A network of spandrel.
        architecture: Spandrel's description of it.

    Returns:
        Spandrel's `SizeRequirements`, or None if it doesn't recognise this configuration.
    """
    try:
        with torch.random.fork_rng(devices=[]):  # it builds the network once more
            return architecture.load(dict(net.state_dict())).size_requirements
    except Exception:  # recognition may fail in any way; the network is there all the same
        return None


def _drop_prefix(module: nn.Module, state_dict: dict[str, Any], prefix: str, _: Any) -> None:
    _rename(state_dict, f'{prefix}net.', prefix)


def _add_prefix(module: nn.Module, state_dict: dict[str, Any], prefix: str, *_: Any) -> None:
    _rename(state_dict, prefix, f'{prefix}net.')


def _rename(state_dict: dict[str, Any], old: str, new: str) -> None:
    for key in [key for key in state_dict if key.startswith(old)]:
        state_dict[new + key.removeprefix(old)] = state_dict.pop(key)
