"""The options as pydantic models: at once their rules, their documentation and the types that the code uses."""

from amsnet_basicsr.options.blocks.scheme import APBSNOptions, CommonOptions, Scheme, SchemeOptions

__all__ = ['APBSNOptions', 'CommonOptions', 'Scheme', 'SchemeOptions']
