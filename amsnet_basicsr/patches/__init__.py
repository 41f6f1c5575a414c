"""Everything this package changes in BasicSR and torchvision: one file per fault, listed in the table below.

Nothing outside this folder assigns to a module, class or instance that is not ours. Three kinds of change:

- A name of a foreign module is rebound, once, when the plugin is imported: the files of this folder.
- What BasicSR's two pipelines call is rebound in their modules: `pipelines/`.
- What BasicSR's model classes lack is mixed into a subclass that the pipelines build: `models/`, and
  `amsnet_basicsr/models/base_model.py`, which our own models have too. No class is changed.

Written and tested for PyPI's basicsr 1.4.2; HEAD (8d56e3a) has the same faults unless the table says otherwise.

patches.torchvision_alias
    changes: sys.modules: torchvision.transforms.functional_tensor
    why:     BasicSR 1.4.2 imports a module that torchvision dropped in 0.17; importing amsnet_basicsr supplies it
    until:   a release that imports transforms.functional
patches.processes
    changes: basicsr.utils.dist_util._init_dist_pytorch
    why:     needs CUDA, and takes the GPU by the rank among all nodes
    until:   a release that joins processes by gloo and local rank
patches.lmdb
    changes: FileClient._backends['lmdb']
    why:     lmdb ≥ 2 refuses to open one path twice in a process
    until:   a release that shares environments
patches.ssim
    changes: basicsr.metrics.psnr_ssim._ssim
    why:     slow: filters by a window of 11×11 where a column and a row give the same
    until:   a release with a separable filter
patches.pipelines.attach
    changes: basicsr.train: what train_pipeline calls
    why:     resumes on CUDA only, looks for states in the wrong folder, and sees other data after a stop
    until:   a train_pipeline that takes these functions as arguments
patches.pipelines.parse_options
    changes: basicsr.train, basicsr.test: parse_options (our commands only)
    why:     runs code that an options file or --force_yml asks for; reads it in the locale's encoding
    until:   a release with a safe loader
patches.pipelines.logs
    changes: basicsr.train, basicsr.test: get_root_logger; basicsr.train: copy_opt_file, init_tb_logger,
             init_wandb_logger
    why:     no log file if anything was logged before; the locale's encoding; a full disk ends training at TensorBoard;
             ids for wandb come from a function that wandb dropped
    until:   a release that names encodings, survives a full disk, and leaves ids to wandb
patches.pipelines.dead_workers
    changes: basicsr.train: CPUPrefetcher, CUDAPrefetcher
    why:     a data worker that dies ends training in the middle of a step, with nothing saved
    until:   a release that saves a state when its loader fails
patches.models.build
    changes: basicsr.train, basicsr.test: build_model
    why:     the mixins below need a place to come in
    until:   the mixins are gone
patches.models.nan_checks
    changes: BaseModel.optimize_parameters, SRModel.test
    why:     trains on after a loss that is NaN or infinite, and saves NaN as black
    until:   a release that looks at losses and outputs
patches.models.validation
    changes: SRModel.nondist_validation, by our loop; around that of a model which has its own
    why:     results of equal names overwrite each other; errors do not name the image; a full disk ends training; one
             image below 11 pixels makes the SSIM of the whole set NaN, a large crop_border its PSNR
    until:   a release that numbers names, survives a full disk and leaves such images out
models.base_model
    changes: BaseModel.get_optimizer
    why:     knows no optimizer but Adam; HEAD: Adam, AdamW and six more
    until:   a release that takes any of torch.optim
models.base_model
    changes: BaseModel.model_to_device
    why:     several processes need CUDA; no channels_last, no compile
    until:   a release that wraps networks on CPUs
models.base_model
    changes: BaseModel.save_network, save_training_state
    why:     writes in place: a kill leaves a torn file, a full disk none but a warning; keeps no best metrics
    until:   a release that writes to a temporary file and renames it
models.base_model
    changes: BaseModel.load_network
    why:     whatever is wrong with a file shows as a traceback
    until:   a release whose errors name the file
"""

from importlib import import_module

#: The patches that rebind a name when the plugin is imported: each has a function `apply`.
APPLIED = ('processes', 'lmdb', 'ssim', 'pipelines.attach')


def apply_all() -> None:
    """Apply every patch that rebinds a name; a second call changes nothing."""
    for name in APPLIED:
        import_module(f'amsnet_basicsr.patches.{name}').apply()
