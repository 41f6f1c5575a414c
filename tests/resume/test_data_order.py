"""A training image that cannot be read is named, whatever its data set says about it."""

import pytest
from torch.utils.data import Dataset

from amsnet_basicsr.resume.data_order import SeededDataset
from amsnet_basicsr.utils.errors import UserError


class Broken(Dataset):
    def __init__(self, error: Exception, named: bool) -> None:
        self.error = error
        if named:
            self.paths = [{'lq_path': 'a/x.png', 'gt_path': 'b/x.png'}]

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> None:
        raise self.error


@pytest.mark.parametrize(
    ('error', 'named', 'said'),
    [
        (
            ValueError('Scale mismatches. GT (3, 4) is not 1x ', 'multiplication of LQ (4, 4).'),
            True,
            r'x\.png.*Scale mism',
        ),
        (
            AttributeError("'NoneType' object has no attribute 'astype'"),
            True,
            r"training image .*a/x\.png.*: cannot be read, is it damaged\? \('NoneType'",
        ),
        (TypeError('no array'), False, r'^training image 0: cannot be read, is it damaged\? \(no array\)$'),
        (KeyError('a/y.png is missing'), False, r'^a/y\.png is missing$'),
    ],
)
def test_the_file_is_named(error, named, said):
    with pytest.raises(UserError, match=said) as caught:
        SeededDataset(Broken(error, named))[0, 5]
    assert str(caught.value).isprintable()
