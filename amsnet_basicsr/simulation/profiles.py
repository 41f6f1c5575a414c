"""Named cameras whose noise follows from the ISO number."""

from dataclasses import dataclass, replace

from amsnet_basicsr.simulation.camera import Camera


@dataclass(frozen=True)
class CameraProfile:
    """A camera at any sensitivity.

    Of the signal that is white at ISO 100, `full_well` electrons make the full scale; at n times that ISO number a
    n-th of them does. So an electron is `shot` = ISO / (100 · full_well) of the full scale, which is the shot noise's
    variance per unit of signal, in proportion to ISO. The read noise's standard deviation is affine in ISO:
    `read` = read_floor + read_electrons · shot. (Foi et al., IEEE TIP 2008, for the Poisson and Gaussian model.)

    Attributes:
        description: What it stands for.
        full_well: Electrons of a pixel at white, ISO 100.
        read_electrons: Read noise that is amplified with the signal, in electrons.
        read_floor: Read noise that is not (converter, rounding), as part of the full scale.
        processing: The camera but for its noise.
    """

    description: str
    full_well: float
    read_electrons: float
    read_floor: float
    processing: Camera

    def at_iso(self, iso: float) -> Camera:
        """Return the camera with the noise of an ISO number.

        Raises:
            ValueError: If `iso` is not above 0.
        """
        if not iso > 0:
            raise ValueError(f'iso must be above 0, got {iso!r}')
        shot = iso / 100 / self.full_well
        return replace(self.processing, shot=shot, read=self.read_floor + self.read_electrons * shot)


#: Only `phone` is fitted to images (see docs/data/simulator.md); the others are plausible, not measured.
PROFILES = {
    'phone': CameraProfile(
        'noise and correlations fitted to SIDD pairs of 15 images; its ISO scale is an assumption',
        full_well=4000,
        read_electrons=1.3,
        read_floor=0.0005,
        processing=Camera(
            white_balance=(2.1, 1.0, 1.7),
            color_matrix=((1.05, -0.15, 0.10), (-0.05, 1.06, -0.01), (0.10, -0.40, 1.30)),
            correction=0.6,
        ),
    ),
    'small_phone': CameraProfile(
        'plausible values for an older phone: small pixels, soft demosaicing, wider correlation',
        full_well=2500,
        read_electrons=2.0,
        read_floor=0.001,
        processing=Camera(
            white_balance=(1.8, 1.0, 2.0),
            color_matrix=((1.30, -0.25, -0.05), (-0.10, 1.20, -0.10), (0.00, -0.45, 1.45)),
            correction=0.2,
        ),
    ),
    'large_phone': CameraProfile(
        'plausible values for the main camera of a recent phone',
        full_well=10000,
        read_electrons=1.5,
        read_floor=0.0004,
        processing=Camera(
            white_balance=(2.0, 1.0, 1.8),
            color_matrix=((1.20, -0.20, 0.00), (-0.08, 1.16, -0.08), (0.00, -0.35, 1.35)),
            correction=0.8,
        ),
    ),
    'dslr': CameraProfile(
        'plausible values for a full-frame camera, as PolyU and CC used: far less noise at equal ISO',
        full_well=60000,
        read_electrons=3.0,
        read_floor=0.0003,
        processing=Camera(
            white_balance=(2.2, 1.0, 1.5),
            color_matrix=((1.40, -0.30, -0.10), (-0.15, 1.35, -0.20), (0.00, -0.40, 1.40)),
            correction=1.0,
        ),
    ),
}
