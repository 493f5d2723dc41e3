"""Synthetic pictures of eight Caltech 101 categories, so that nothing has to be downloaded.

images/objects.py draws the objects; here each gets a pose, a background and light. The folder has
the layout of Caltech 101's `101_ObjectCategories`; the same code reads both.
"""

import os
import shutil
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from images.objects import DRAWINGS, MAX_ROTATION, TILE, box, random_colour, to_image

CATEGORIES = tuple(sorted(DRAWINGS))
OVERSAMPLING = 2  # pictures are drawn this much larger and reduced at the end: antialiasing


def write_pictures(folder, per_category=60, seed=0):
    """Writes folder/<category>/image_0001.jpg and so on, or nothing; returns the folder as a Path.

    A folder that holds something already is left as it is.
    """
    folder = Path(folder)
    if folder.is_dir() and any(folder.iterdir()):
        return folder
    # Another process may be drawing the same pictures: each uses a name of its own.
    part = folder.with_name(f"{folder.name}.part-{os.getpid()}")
    shutil.rmtree(part, ignore_errors=True)
    for category in CATEGORIES:
        (part / category).mkdir(parents=True)
        for number in range(1, per_category + 1):
            picture = draw_picture(category, number, seed)
            picture.save(part / category / f"image_{number:04d}.jpg", quality=90)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
    try:
        part.rename(folder)
    except OSError:  # the other process was faster
        if not folder.is_dir():
            raise
        shutil.rmtree(part)
    return folder


def draw_picture(category, number, seed=0):
    """Picture `number` of a category, an RGB PIL.Image; it depends on these arguments alone."""
    rng = np.random.default_rng([seed, CATEGORIES.index(category), number])
    return random_picture(category, rng)


def random_picture(category, rng):
    """A picture of the category in a random pose, light and place: an RGB PIL.Image.

    150-220 px wide, 140-200 px high. rng: a numpy Generator. Raises KeyError for other names.
    """
    size = rng.integers(150, 221), rng.integers(140, 201)
    image = background(size, rng).resize([OVERSAMPLING * int(side) for side in size])
    scatter(image, rng, count=rng.integers(0, 6), largest=0.35)
    tile = DRAWINGS[category](rng)
    pose = random_pose(category, image.size, rng)
    tile = tile.transform(image.size, Image.Transform.PERSPECTIVE, pose, Image.Resampling.BILINEAR)
    image.paste(tile, mask=tile.getchannel("A"))
    scatter(image, rng, count=rng.integers(0, 3), largest=0.12)
    return light(image.reduce(OVERSAMPLING), rng)


# What every picture has: background, clutter, pose and light


def background(size, rng):
    """One random colour, or two in a gradient, in value noise or in stripes; size: (w, h)."""
    pattern = rng.choice([uniform, gradient, value_noise, stripes], p=[0.2, 0.25, 0.35, 0.2])
    first = rng.uniform(20, 250, 3)
    second = (first + rng.uniform(-90, 90, 3)).clip(10, 255)
    if rng.random() < 0.3:
        first = rng.uniform(225, 255)  # nearly white, as in catalogue photos
        second = first - rng.uniform(0, 25)
    return mix(first, second, pattern(size[::-1], rng))


def mix(first, second, amount):
    """An image between two colours; amount: (h, w) in 0-1, the share of the second."""
    first, second = (np.broadcast_to(colour, 3) for colour in (first, second))
    return to_image(first + (second - first) * amount[..., None])


def uniform(shape, rng):
    return np.zeros(shape)


def gradient(shape, rng):
    """A linear gradient from 0 to 1 in a random direction."""
    y, x = np.mgrid[0 : 1 : shape[0] * 1j, 0 : 1 : shape[1] * 1j]
    angle = rng.uniform(0, 2 * np.pi)
    rise = x * np.cos(angle) + y * np.sin(angle)
    return (rise - rise.min()) / np.ptp(rise)


def value_noise(shape, rng):
    """Random values on a coarse or fine lattice, interpolated; 0-1."""
    cells = rng.integers(3, 24)
    coarse = Image.fromarray(rng.integers(0, 256, (cells, cells), dtype=np.uint8))
    return np.asarray(coarse.resize(shape[::-1], Image.Resampling.BICUBIC)) / 255


def stripes(shape, rng):
    return np.sin(gradient(shape, rng) * rng.uniform(15, 120)) / 2 + 0.5


def scatter(picture, rng, count, largest):
    """Draws `count` random shapes; largest: of a shape's side, in heights of the picture."""
    pen = ImageDraw.Draw(picture)
    for _ in range(count):
        x, y = rng.uniform(0, picture.size)
        radius = rng.uniform(0.1, 0.5) * largest * picture.height
        colour = random_colour(rng)
        if rng.random() < 0.4:
            pen.ellipse(box(x, y, radius), colour)
        else:
            corners = rng.uniform(-radius, radius, (rng.integers(3, 6), 2)) + np.array([x, y])
            pen.polygon([tuple(corner) for corner in corners], colour)


def random_pose(category, size, rng):
    """The 8 coefficients of PIL's perspective transform, which maps the picture to the tile."""
    angle = np.radians(rng.uniform(-1, 1) * MAX_ROTATION.get(category, 180))
    scale = rng.uniform(0.78, 1.05) * min(size)
    room = (np.array(size) - 0.85 * scale).clip(0)
    centre = np.array(size) / 2 + rng.uniform(-0.4, 0.4, 2) * room
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2
    distorted = corners * rng.uniform(0.78, 1, 2) + rng.uniform(-0.05, 0.05, (4, 2))
    rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return perspective(distorted @ rotation * scale + centre, (corners + 0.5) * TILE)


def perspective(points, targets):
    """The 8 coefficients of the perspective that maps four points (4, 2) to targets (4, 2)."""
    rows = []
    for (x, y), (u, v) in zip(points, targets, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
    return np.linalg.solve(np.array(rows), targets.ravel())


def light(picture, rng):
    """Shading from one side, a colour cast, sometimes blur, and noise."""
    if rng.random() < 0.3:
        picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.4, 1.4)))
    pixels = np.asarray(picture, dtype=np.float32)
    shading = rng.uniform(0.85, 1.1) - rng.uniform(0, 0.4) * gradient(pixels.shape[:2], rng)
    noise = rng.normal(0, rng.uniform(1, 7), pixels.shape)
    return to_image(pixels * shading[..., None] * rng.uniform(0.88, 1.08, 3) + noise)


def pink_noise(count, size, seed=0):
    """Random soft patches of colour: uint8 (count, size, size, 3).

    Noise in which the frequency f has the strength 1 / f^p, as in photographs, whose p is about 1
    (Field 1987); p, brightness, contrast and colours differ from one to the next.
    """
    rng = np.random.default_rng(seed)
    frequency = np.hypot(*np.meshgrid(*2 * [np.fft.fftfreq(size)]))
    frequency[0, 0] = np.inf  # the mean is set below
    pictures = np.empty((count, size, size, 3), "uint8")
    for picture in pictures:
        strength = frequency ** -rng.uniform(0.6, 1.8)
        noise = np.fft.ifft2(strength * np.fft.fft2(rng.normal(size=(3, size, size)))).real
        # Each channel is mostly the first noise, and a little of the two others.
        noise = np.tensordot(rng.normal([1, 0, 0], 0.4, (3, 3)), noise, 1).transpose(1, 2, 0)
        middle = rng.uniform(30, 225) + rng.normal(0, 25, 3)
        picture[:] = (middle + rng.uniform(5, 60) * noise / noise.std()).clip(0, 255)
    return pictures
