"""The blocks of the data sets: ours, BasicSR's two for pairs and single images, and what the loader reads of any."""

import builtins
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from annotated_types import Ge, Le
from pydantic import ConfigDict, Field

from amsnet_basicsr.options.blocks.base import (
    AboveZero,
    Block,
    Flag,
    NotNegative,
    Positive,
    SetName,
    Several,
    Text,
    Whole,
)
from amsnet_basicsr.options.blocks.messages import Finding, Key
from amsnet_basicsr.options.blocks.simulation import SimulationOptions

D = TypeVar('D', bound='DatasetOptions')
Share = Annotated[float, Ge(0), Le(1)]


class IoBackend(Block):
    """Where images are read from."""

    type: Literal['disk', 'lmdb', 'memcached']
    """`disk`: files in folders; `lmdb`: a folder whose name ends in `.lmdb`, as BasicSR makes it."""
    db_paths: Text | Sequence[Text] | None = None
    """Set by BasicSR's data sets."""
    client_keys: Text | Sequence[Text] | None = None
    """Set by BasicSR's data sets."""
    server_list_cfg: Text | None = None
    """Of memcached."""
    client_cfg: Text | None = None
    """Of memcached."""
    sys_path: Text | None = None
    """Of memcached: folder that Python code is imported from. So `type: memcached` is refused in a file; it can be
    asked for on the command line, `--force_yml datasets:train:io_backend:type=memcached`."""


class DatasetOptions(Block):
    """What BasicSR reads from the options of any data set."""

    part = 'dataset'

    name: SetName
    """Name of the set in logs, folders and figures."""
    type: Text
    """Class of the set."""
    phase: Text | None = None
    """Set by BasicSR."""
    scale: Positive | None = None
    """Set by BasicSR."""
    io_backend: IoBackend | None = Field(None, examples=['{type: disk}'])
    """Where images are read from."""
    batch_size_per_gpu: Annotated[int, Ge(1), Le(10**6)] = Field(1, examples=[4])
    """Crops per step and GPU. Training only."""
    num_worker_per_gpu: Annotated[int, Ge(0), Le(1024)] = Field(0, examples=[2])
    """Processes that read images; 0 is best on two cores, 4 beside a GPU. Training only."""
    dataset_enlarge_ratio: Annotated[float, Field(gt=0, le=1e7)] = 1
    """Passes through the images per epoch; epochs cost time to start. Training only."""
    prefetch_mode: Literal['cpu', 'cuda'] | None = None
    """Read batches ahead: `cpu` by a worker and a thread, `cuda` onto the GPU (needs `pin_memory`). Training only."""
    num_prefetch_queue: Positive = 1
    """Batches to read ahead with `prefetch_mode: cpu`."""
    pin_memory: Flag | None = False
    """Copy batches into page-locked memory, from which a GPU reads faster."""
    persistent_workers: Flag | None = False
    """Keep the reading processes from one epoch to the next."""
    use_shuffle: Flag | None = None
    """Read by nothing; common in published files."""

    needed_in_training: ClassVar[tuple[str, ...]] = ('batch_size_per_gpu', 'num_worker_per_gpu')

    @classmethod
    def lacking(cls, options: Mapping[str, Any], is_train: bool, where: Key = ()) -> list[Finding]:
        """Find what a set to train on lacks."""
        return super().lacking(options, where[-1] == 'train', where)

    @classmethod
    def of(cls: builtins.type[D], opt: Mapping[str, Any]) -> D:
        """Read the options that BasicSR hands to a data set."""
        name, kind = opt.get('name') or '?', cls.class_name()
        return cls.read({**opt, 'name': name, 'type': kind}, f'dataset {name!r} ({kind})')

    @classmethod
    def class_name(cls) -> str:
        """Return the name of the data set that reads them, `type` in the options."""
        return cls.__name__.replace('Options', 'Dataset')

    @property
    def where(self) -> str:
        """Name of the set, for messages."""
        return f'dataset {self.name!r} ({self.type})'

    @property
    def is_training(self) -> bool:
        """Whether it is the set to train on."""
        return self.phase == 'train'


class Augmented(Block):
    """Random changes of the training crops."""

    use_hflip: Flag = Field(True, examples=['true'])
    """Mirror half of the crops. Training only."""
    use_rot: Flag = Field(True, examples=['true'])
    """Turn crops by multiples of 90°. Training only."""


class Crops(DatasetOptions, Augmented):
    """Square crops for training, whole images otherwise."""

    crop_size: Positive | None = Field(None, examples=[160])
    """Side of the training crops in pixels, a multiple of `scheme.train_stride` (paper: 160). Training only."""

    needed_in_training: ClassVar[tuple[str, ...]] = (*DatasetOptions.needed_in_training, 'crop_size')

    @property
    def training_crop(self) -> int | None:
        """Return `crop_size`; None where images are taken whole.

        Raises:
            ValueError: If training lacks it.
        """
        if self.is_training and self.crop_size is None:
            raise ValueError(f'{self.where}: training needs crop_size, the side of its crops in pixels (paper: 160)')
        return self.crop_size if self.is_training else None


class Channels(Block):
    """How many channels the images get."""

    channels: Literal[1, 3, 4] = 3
    """Set to what `network_g` takes: 3 for RGB, 1 for grey, 4 for RGB and alpha. An unmodified BasicSR does not set it:
    there, say it yourself."""


class Depth(Block):
    """How files of 16 bits are read."""

    bits: Literal[8, 10, 12, 14, 16] | None = None
    """How many of the 16 bits the files use, often 12 in microscopy: they become the range from 0 to 1. Default: the
    fewest that hold every image of the folder but for one value in 500; 16 where the images are not read at the start,
    which is in an LMDB and with `check_images: false`."""


class NoisyImageOptions(Crops, Channels, Depth):
    """Unpaired noisy images from folders, lists or LMDBs: crops for training, else whole images."""

    dataroot_lq: Text | None = None
    """Folder (searched with its subfolders) or LMDB (a folder whose name ends in `.lmdb`)."""
    dataroots: Sequence[Text] | None = None
    """Several of them, instead of `dataroot_lq`."""
    meta_info_file: Text | None = None
    """Text file with one image per line, `name.png (h,w,c) 1` as BasicSR writes it or just the name, relative to
    `dataroot_lq`. Default: all images."""
    cache_mb: NotNegative | None = 0
    """Keep so many megabytes of decoded images in memory, read at the start. Forked data workers share them; spawned
    ones (BasicSR's with --launcher) have a copy each."""
    check_images: bool = True
    """Read every file once at the start. Of an LMDB, listing and keys are always checked, the images never."""
    on_bad_image: Literal['error', 'skip'] = 'error'
    """What to do with images that cannot be read or are smaller than the crops."""


class CameraNoiseOptions(Crops, SimulationOptions, Channels):
    """Noisy images made from clean ones by a simulated camera; the same noise in every epoch and worker."""

    dataroot_gt: Text | None = None
    """Folder of clean images. Default: the photographs that ship with scikit-image."""
    scenes: Sequence[Text] | None = None
    """Names of the images to use: paths in the folder, without extension. Default: all."""
    shots: Positive = 1
    """Noisy images per clean one, each with noise of its own."""
    cache_mb: NotNegative = 2000
    """Make images at the start and keep them in memory, up to so many megabytes; the rest are made whenever they are
    read."""


class NoiseMixtureOptions(DatasetOptions):
    """Crops for a student of many cameras: real pairs with a teacher's images, and scenes under many kinds of noise."""

    dataroot_lq: Text
    """Folder of noisy images, all of one size."""
    dataroot_gt: Text
    """Folder of what a teacher made of them, with the same names."""
    meta_info_file: Text | None = None
    """Text file with the names to take, one per line. Default: all of `dataroot_gt`."""
    crop_size: Positive = Field(examples=[160])
    """Side of the crops in pixels."""
    real: Share = 0.25
    """Share of real pairs."""
    transplanted: Share = 0.25
    """Share of the teacher's images under the noise of another place of similar brightness."""
    drawn: Whole = 2000
    """Number of drawn scenes; they are drawn when they are first wanted."""


class PairedPhotosOptions(DatasetOptions, Channels, Depth):
    """Pairs of noisy and clean photographs, whole, for validation and tests: PolyU, CC15, folders of pairs."""

    dataroot: Text | None = None
    """Folder, searched with its subfolders, in which noisy and clean images lie side by side."""
    noisy: Text | None = None
    """Pattern of the noisy ones' names in `dataroot`; the first `*` stands for what a pair has in common. Letters match
    in either case. Default: `*_Real.*`, as PolyU and CC15 have it."""
    clean: Text | None = None
    """Pattern of the clean ones' names in `dataroot`. Default: `*_mean.*`."""
    dataroot_lq: Text | None = None
    """Instead of `dataroot`: folder of noisy images."""
    dataroot_gt: Text | None = None
    """Folder of clean ones with the same names; the suffixes may differ."""


class _BasicSRImages(DatasetOptions):
    tolerant = True

    meta_info_file: Text | None = None
    """Text file with one image per line."""
    color: Text | None = None
    """`y` for luminance alone."""
    mean: Sequence[float] | None = None
    """Subtracted from the values of each channel."""
    std: Several[AboveZero] | None = None
    """The values of each channel are divided by it."""


class PairedImageOptions(_BasicSRImages, Augmented):
    """BasicSR's pairs of images of equal name."""

    dataroot_lq: Text
    """Folder or LMDB of noisy images."""
    dataroot_gt: Text
    """Folder or LMDB of clean images."""
    io_backend: IoBackend = Field(examples=['{type: disk}'])
    """Where images are read from."""
    filename_tmpl: Text = '{}'
    """Name of a noisy image, given the clean one's."""
    gt_size: Positive | None = Field(None, examples=[128])
    """Side of the training crops in pixels. Training only."""

    needed_in_training: ClassVar[tuple[str, ...]] = (
        *DatasetOptions.needed_in_training,
        'gt_size',
        'use_hflip',
        'use_rot',
    )


class SingleImageOptions(_BasicSRImages):
    """BasicSR's noisy images alone, whole."""

    dataroot_lq: Text
    """Folder or LMDB of noisy images."""
    io_backend: IoBackend = Field(examples=['{type: disk}'])
    """Where images are read from."""


class OtherDatasetOptions(DatasetOptions):
    """Any other data set, which may read more."""

    model_config = ConfigDict(extra='allow')


OUR_DATASETS = (NoisyImageOptions, CameraNoiseOptions, NoiseMixtureOptions, PairedPhotosOptions)
DATASETS: dict[str, type[DatasetOptions]] = {
    block.class_name(): block for block in (*OUR_DATASETS, PairedImageOptions, SingleImageOptions)
}
#: Those whose images have no clean ones beside them.
WITHOUT_TRUTH = ('NoisyImageDataset', 'SingleImageDataset')
