"""What BasicSR lacks on current PyTorch, on the CPU, or beside a plugin: one small guarded patch each.

Written and tested for PyPI's basicsr 1.4.2; each patch looks whether it is needed, so that later versions are left as
they are. Nothing happens on import.
"""

import importlib.util
import os.path as osp
import sys
from types import ModuleType
from typing import Any


def prepare_import() -> None:
    """Make BasicSR importable: needed before its first import."""
    alias_functional_tensor()


def apply() -> None:
    """Apply every patch that needs BasicSR to be imported; a second call changes nothing."""
    offer_all_optimizers()
    resume_on_any_device()
    share_lmdb_environments()


def alias_functional_tensor() -> None:
    """Torchvision ≥ 0.17 has no `transforms.functional_tensor`, from which BasicSR 1.4.2 imports one function."""
    name = 'torchvision.transforms.functional_tensor'
    if name in sys.modules or importlib.util.find_spec(name) is not None:
        return
    from torchvision.transforms.functional import rgb_to_grayscale

    module = ModuleType(name, 'Alias for BasicSR 1.4.2.')
    module.rgb_to_grayscale = rgb_to_grayscale
    sys.modules[name] = module


def offer_all_optimizers() -> None:
    """BasicSR 1.4.2 knows no optimizer but Adam: let `optim_g: {type: …}` name any of torch.optim."""
    import torch
    from basicsr.models.base_model import BaseModel

    original = BaseModel.get_optimizer
    if getattr(original, '_amsnet', False):
        return

    def get_optimizer(self: Any, optim_type: str, params: Any, lr: float, **kwargs: Any) -> torch.optim.Optimizer:
        try:
            return original(self, optim_type, params, lr, **kwargs)
        except NotImplementedError:
            optimizer = getattr(torch.optim, optim_type, None)
            if not (isinstance(optimizer, type) and issubclass(optimizer, torch.optim.Optimizer)):
                raise ValueError(f'train.optim_g: torch.optim has no optimizer {optim_type!r}') from None
            return optimizer(params, lr=lr, **kwargs)

    get_optimizer._amsnet = True
    BaseModel.get_optimizer = get_optimizer


def resume_on_any_device() -> None:
    """BasicSR loads a training state to the current CUDA device, which a CPU run doesn't have.

    And `--auto_resume` looks for it in the current folder only: without a state there, the run would be archived and
    started again. The state is looked for where the options say it is saved.
    """
    import torch
    from basicsr.utils import check_resume, scandir

    import basicsr.train

    if getattr(basicsr.train.load_resume_state, '_amsnet', False):
        return

    def load_resume_state(opt: dict[str, Any]) -> dict[str, Any] | None:
        if opt['auto_resume']:
            folder = opt['path']['training_states']
            states = list(scandir(folder, suffix='.state')) if osp.isdir(folder) else []
            if states:
                latest = max(states, key=lambda name: float(name.removesuffix('.state')))
                opt['path']['resume_state'] = osp.join(folder, latest)
        path = opt['path'].get('resume_state')
        if not path:
            return None
        # Optimizers and schedulers move what they load to the device of their parameters.
        state = torch.load(path, map_location='cpu', weights_only=True)
        check_resume(opt, state['iter'])
        return state

    load_resume_state._amsnet = True
    basicsr.train.load_resume_state = load_resume_state


def share_lmdb_environments() -> None:
    """Lmdb ≥ 2 refuses to open one path twice in a process: let BasicSR's datasets share our environments."""
    from basicsr.utils.file_client import FileClient, LmdbBackend

    from amsnet_basicsr.data.lmdb_env import SharedLmdb

    if FileClient._backends['lmdb'] is not LmdbBackend:
        return

    class SharedLmdbBackend(LmdbBackend):
        """BasicSR's backend with environments that datasets share and that survive a fork."""

        def __init__(self, db_paths: str | list[str], client_keys: str | list[str] = 'default', **_: Any) -> None:
            self.db_paths = [db_paths] if isinstance(db_paths, str) else list(db_paths)
            keys = [client_keys] if isinstance(client_keys, str) else list(client_keys)
            self._client = dict(zip(keys, map(SharedLmdb, self.db_paths), strict=True))

        def get(self, filepath: str, client_key: str) -> bytes:
            return self._client[client_key].get(str(filepath))

    FileClient._backends['lmdb'] = SharedLmdbBackend
