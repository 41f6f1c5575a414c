"""The model that the command line asks for, and what is said of it."""

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from amsnet_basicsr.denoise.command.arguments import UsageError, blend_in_words, blend_settings

if TYPE_CHECKING:
    from amsnet_basicsr.denoise.denoiser import Denoiser


def load_denoiser(options: argparse.Namespace, note: Callable[[str], None]) -> 'Denoiser':
    """Load the model; a UsageError says why it can't be used, `note` is told what was assumed."""
    from amsnet_basicsr.denoise.denoiser import Denoiser  # imports PyTorch, so only after the checks
    from amsnet_basicsr.options.user_parts import import_parts

    if problems := import_parts(options.parts):
        raise UsageError('; '.join(problems))
    names = ('opt', 'scheme', 'refine', 'seed', 'tile', 'device', 'precision')
    settings = {name: getattr(options, name) for name in names}
    try:
        denoiser = Denoiser.from_pretrained(options.model, **settings, on_notice=note)
    except ValueError as error:
        raise UsageError(' '.join(str(error).split())) from None
    for text in denoiser.notes:
        note(text)
    return denoiser


def model_facts(denoiser: 'Denoiser') -> dict[str, Any]:
    """Describe the model for the summary."""
    refine = denoiser.scheme.refine
    return {
        'source': denoiser.source,
        'arch': denoiser.arch,
        'hyper_parameters': denoiser.options,
        'scheme': denoiser.scheme.type,
        'refine': repr(refine) if refine else None,
        'device': str(denoiser.device),
    }


def model_in_words(denoiser: 'Denoiser', options: argparse.Namespace) -> str:
    """Describe how images are denoised: network, way of running it, and how much is removed."""
    words = [denoiser.arch, 'one pass' if denoiser.scheme.type == 'plain' else 'masks']
    if denoiser.scheme.refine:
        words.append(type(denoiser.scheme.refine).__name__)
    return ', '.join([*words, blend_in_words(blend_settings(options))])
