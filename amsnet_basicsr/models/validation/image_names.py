"""What the results of an image are called."""

import os.path as osp
from collections.abc import Hashable

from amsnet_basicsr.utils.text import as_text


def distinct_name(path: str, taken: dict[str, Hashable], owner: Hashable | None = None) -> str:
    """Name an image by its file, without folder and extension; numbered if another image has that name.

    Args:
        path: The image.
        taken: Owner by name, of the names given before; added to.
        owner: Who gets the name again when it asks again; by default whoever has the same path.

    Returns:
        The name.
    """
    owner = path if owner is None else owner
    stem = as_text(osp.splitext(osp.basename(path))[0])
    name, number = stem, 1
    while taken.setdefault(name, owner) != owner:
        number += 1
        name = f'{stem}_{number}'
    return name
