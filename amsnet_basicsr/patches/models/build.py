"""The one place where mixins come in: BasicSR's `build_model`, replaced."""

import copy
from typing import Any

from basicsr.models.base_model import BaseModel
from basicsr.models.sr_model import SRModel
from basicsr.utils import get_root_logger
from basicsr.utils.registry import MODEL_REGISTRY

from amsnet_basicsr.models.base_model import ExtendedBaseModel
from amsnet_basicsr.patches.models.nan_checks import FiniteLosses, FiniteResults
from amsnet_basicsr.patches.models.validation import OwnValidation, ValidatedSRModel
from amsnet_basicsr.resume.model import ResumableModel
from amsnet_basicsr.resume.run import TrainingRun


def build_model(opt: dict[str, Any], run: TrainingRun | None = None) -> BaseModel:
    """Take the place of `basicsr.models.build_model`: build the model from a subclass with what BasicSR's lacks."""
    model_class = MODEL_REGISTRY.get(opt['model_type'])
    model = _subclass(model_class, run)(copy.deepcopy(opt))
    if run is not None:
        run.model = model
    get_root_logger().info(f'Model [{model_class.__name__}] is created.')
    return model


def _subclass(model_class: type[BaseModel], run: TrainingRun | None) -> type[BaseModel]:
    """The class with mixins before it, which call it, and after it, which it may override."""
    bases: list[type] = [model_class]
    if issubclass(model_class, SRModel) and not issubclass(model_class, ExtendedBaseModel):
        own = [] if model_class is SRModel else [model_class]
        checks = FiniteResults if model_class.nondist_validation is SRModel.nondist_validation else OwnValidation
        bases = [checks, *own, ValidatedSRModel, ExtendedBaseModel]
    elif not issubclass(model_class, ExtendedBaseModel):  # ours have checks and a loop of their own
        bases = [FiniteLosses, model_class, ExtendedBaseModel]
    if run is not None:
        bases.insert(0, ResumableModel)
    members = {'run': run, '__module__': model_class.__module__, '__doc__': model_class.__doc__}
    return type(model_class.__name__, tuple(bases), members)
