"""The options as pydantic models: at once their rules, their documentation and the types that the code uses."""

import warnings

from amsnet_basicsr.options.blocks.scheme import APBSNOptions, CommonOptions, DenoiserScheme, SchemeOptions

__all__ = ['APBSNOptions', 'CommonOptions', 'DenoiserScheme', 'SchemeOptions']


def __getattr__(name: str) -> type[DenoiserScheme]:
    if name != 'Scheme':
        raise AttributeError(name)
    warnings.warn('Scheme is called DenoiserScheme; import that', DeprecationWarning, stacklevel=2)
    return DenoiserScheme
