"""Weights from official files, and telling networks by their weights. Nothing here imports BasicSR."""

from amsnet_basicsr.convert.detect import NOT_IN_WEIGHTS, check_weights, detect_architecture
from amsnet_basicsr.convert.errors import WeightsError
from amsnet_basicsr.convert.files import read_file, write_file
from amsnet_basicsr.convert.official import DenoiserWeights, read_denoiser

__all__ = [
    'NOT_IN_WEIGHTS',
    'DenoiserWeights',
    'WeightsError',
    'check_weights',
    'detect_architecture',
    'read_denoiser',
    'read_file',
    'write_file',
]
