"""The objects of the synthetic pictures: pizza, soccer ball and six more, drawn by code."""

from itertools import combinations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

TILE = 400  # an object is drawn on a transparent square of this side, then put into a picture
MIDDLE = TILE / 2


# Small helpers of the drawings


def to_image(pixels):
    """An RGB image of numbers (h, w, 3), rounded and clipped to 0-255."""
    return Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8))


def new_tile():
    """A transparent tile and the pen that draws on it."""
    tile = Image.new("RGBA", (TILE, TILE))
    return tile, ImageDraw.Draw(tile)


def random_colour(rng):
    return tuple(int(value) for value in rng.integers(0, 256, 3))


def shade(rng, colour, spread=20):
    """A random colour near this one."""
    values = np.array(colour) + rng.uniform(-spread, spread) + rng.uniform(-spread, spread, 3) / 2
    return tuple(int(value) for value in values.clip(0, 255))


def pick(rng, *colours):
    """A random colour near one of these."""
    return shade(rng, colours[rng.integers(len(colours))])


def box(x, y, radius):
    return x - radius, y - radius, x + radius, y + radius


def around(count, radius, start=0.0, middle=(MIDDLE, MIDDLE)):
    """`count` points evenly spaced on a circle, clockwise; start: in turns, 0 is the top."""
    angles = (np.arange(count) / count + start) * 2 * np.pi
    radius = np.broadcast_to(radius, count)
    x, y = middle[0] + radius * np.sin(angles), middle[1] - radius * np.cos(angles)
    return list(zip(x, y, strict=True))


# The objects: each function draws one, upright, on a transparent tile


def pizza(rng):
    tile, pen = new_tile()
    pen.ellipse(box(MIDDLE, MIDDLE, 192), pick(rng, (196, 138, 74), (170, 110, 55)))
    pen.ellipse(box(MIDDLE, MIDDLE, 168), shade(rng, (196, 70, 36)))
    pen.ellipse(box(MIDDLE, MIDDLE, 160), pick(rng, (238, 196, 96), (246, 218, 140)))
    topping = pick(rng, (176, 44, 34), (205, 85, 60), (150, 50, 60))
    for ring, count in ((125, 9), (65, 5), (0, 1)):
        for x, y in around(count, ring, rng.random()):
            x, y = rng.normal((x, y), 9)
            pen.ellipse(box(x, y, rng.uniform(16, 27)), shade(rng, topping), (110, 30, 24), 2)
    for distance in rng.uniform(10, 150, rng.integers(12, 40)):
        ((x, y),) = around(1, distance, rng.random())
        pen.ellipse(box(x, y, rng.uniform(4, 11)), pick(rng, (50, 95, 40), (40, 36, 30)))
    slices, start = rng.integers(6, 11), rng.uniform(0, 360)
    if rng.random() < 0.45:
        pen.pieslice(box(MIDDLE, MIDDLE, 200), start, start + 360 / slices, (0, 0, 0, 0))
    for edge in around(slices, 185, start / 360 + 0.25) if rng.random() < 0.6 else ():
        pen.line([(MIDDLE, MIDDLE), edge], (150, 90, 45), 4)
    return tile


def soccer_ball(rng):
    """A ball from a random side: black where a vertex of an icosahedron is nearest, else white."""
    y, x = np.mgrid[-1 : 1 : TILE * 1j, -1 : 1 : TILE * 1j] / 0.97
    inside = x**2 + y**2 < 1
    surface = np.stack([x, y, np.sqrt((1 - x**2 - y**2).clip(0))], axis=-1)
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    black = (surface @ (rotation @ icosahedron_vertices().T)).max(-1)
    *_, second, white = np.moveaxis(
        np.sort(surface @ (rotation @ icosahedron_faces().T), -1), -1, 0
    )
    colour = np.where((black > white + 0.012)[..., None], shade(rng, (26, 26, 30)), 240.0)
    colour[(white - second < 0.02) & (black < white)] = 120  # the seam between two hexagons
    lamp = rng.normal((0, -1, 3))
    colour *= 0.5 + 0.5 * (surface @ (lamp / np.linalg.norm(lamp))).clip(0)[..., None]
    tile = to_image(colour)
    tile.putalpha(Image.fromarray(inside.astype(np.uint8) * 255))
    return tile


def icosahedron_vertices():
    """The 12 vertices on the unit sphere, (12, 3): the centres of the ball's black pentagons."""
    golden = (1 + 5**0.5) / 2
    flat = np.array([(0, one, g) for one in (-1, 1) for g in (-golden, golden)])
    return np.concatenate([np.roll(flat, turn, axis=1) for turn in range(3)]) / np.hypot(1, golden)


def icosahedron_faces():
    """The centres of the 20 faces on the unit sphere, (20, 3): those of the white hexagons."""
    vertices = icosahedron_vertices()
    near = vertices @ vertices.T > 0.4  # neighbours, and each vertex itself
    threes = [list(three) for three in combinations(range(12), 3)]
    faces = [vertices[three].sum(0) for three in threes if near[np.ix_(three, three)].all()]
    return np.array(faces) / np.linalg.norm(faces[0])


def starfish(rng):
    tile, pen = new_tile()
    skin = pick(rng, (222, 120, 50), (186, 62, 44), (214, 150, 100), (190, 90, 90))
    waist = rng.uniform(58, 85)
    for tip in around(5, rng.uniform(165, 185, 5)):
        arm(pen, tip, waist, rng.uniform(-25, 25), shade(rng, skin, 8))
    pen.ellipse(box(MIDDLE, MIDDLE, waist), skin)
    spots = tuple(min(255, value + 60) for value in skin)
    for tip in around(5, 150):
        for along in np.linspace(0, 1, 8):
            x, y = rng.normal(np.array([MIDDLE, MIDDLE]) * (1 - along) + np.array(tip) * along, 7)
            pen.ellipse(box(x, y, rng.uniform(3, 8) * (1.2 - 0.6 * along)), spots)
    return tile


def arm(pen, tip, waist, bend, colour):
    """A starfish's arm: circles that shrink from the middle to the tip."""
    for along in np.linspace(0, 1, 30):
        x, y = np.array([MIDDLE, MIDDLE]) * (1 - along) + np.array(tip) * along
        pen.ellipse(box(x + bend * along * (1 - along), y, waist * (0.72 - 0.5 * along)), colour)


def stop_sign(rng, post=True):
    tile, pen = new_tile()
    middle, radius = (MIDDLE, MIDDLE), 195
    if post and rng.random() < 0.6:
        middle, radius = (MIDDLE, 160), 155
        pen.rectangle((MIDDLE - 9, 160, MIDDLE + 9, TILE), shade(rng, (130, 128, 122), 30))
    pen.polygon(around(8, radius, 1 / 16, middle), (245, 245, 240))
    red = pick(rng, (190, 24, 34), (170, 36, 44), (205, 50, 50))
    pen.polygon(around(8, 0.93 * radius, 1 / 16, middle), red)
    font = ImageFont.load_default(size=0.6 * radius)
    pen.text(middle, "STOP", (248, 248, 244), font, anchor="mm", stroke_width=radius // 40)
    return tile


def sunflower(rng):
    tile, pen = new_tile()
    petals = rng.integers(14, 24)
    yellow = pick(rng, (244, 196, 30), (250, 214, 60), (232, 160, 24))
    for length, start in ((188, 0.0), (165, 0.5 / petals)):
        for number in range(petals):
            reach = length * rng.uniform(0.9, 1.02)
            petal(pen, number / petals + start, reach, 0.62 / petals, shade(rng, yellow, 14))
    disc = rng.uniform(68, 100)
    pen.ellipse(box(MIDDLE, MIDDLE, disc), shade(rng, (70, 44, 22)))
    for distance in disc * np.sqrt(rng.random(160)):
        ((x, y),) = around(1, distance * 0.97, rng.random())
        pen.ellipse(box(x, y, 4), pick(rng, (110, 72, 30), (40, 26, 16)))
    return tile


def petal(pen, angle, length, half_width, colour):
    """A pointed petal from the middle outwards; angle and half_width in turns."""
    left = around(1, 0.62 * length, angle - half_width)
    tip = around(1, length, angle)
    right = around(1, 0.62 * length, angle + half_width)
    pen.polygon([(MIDDLE, MIDDLE), *left, *tip, *right], colour, (176, 120, 20), 2)


def umbrella(rng):
    tile, pen = new_tile()
    pen.line([(MIDDLE, 20), (MIDDLE, 352)], (60, 50, 45), 9)
    pen.arc((MIDDLE - 44, 325, MIDDLE + 4, 380), 0, 180, shade(rng, (90, 60, 40)), 11)
    first = pick(rng, (40, 80, 180), (30, 130, 110), (120, 60, 150), (40, 40, 60), (200, 40, 110))
    second = pick(rng, first, (240, 240, 235), (240, 210, 60))
    ribs = rng.integers(4, 8)
    top, edge = rng.uniform(28, 60), 205
    for number in range(ribs):
        left, right = (10 + 380 * (number + side) / ribs for side in (0, 1))
        colour = (first, second)[number % 2]
        pen.polygon(panel(left, right, top, edge), colour, (40, 40, 40), 3)
    return tile


def panel(left, right, top, edge):
    """The outline of one panel of an umbrella, from its tip to its scalloped edge."""
    rise = np.linspace(np.pi / 2, 0, 12)
    down, out = edge - (edge - top) * np.sin(rise), np.cos(rise)
    across = np.linspace(0, 1, 10)
    left_side = zip(MIDDLE + (left - MIDDLE) * out, down, strict=True)
    scallop = zip(left + (right - left) * across, edge - 22 * np.sin(np.pi * across), strict=True)
    right_side = zip(MIDDLE + (right - MIDDLE) * out, down, strict=True)
    return [*left_side, *scallop, *reversed(list(right_side))]


def watch(rng):
    tile, pen = new_tile()
    strap = pick(rng, (40, 36, 34), (110, 70, 40), (160, 160, 165), (60, 70, 110))
    wide = rng.uniform(52, 78)
    pen.rounded_rectangle((MIDDLE - wide, 2, MIDDLE + wide, 398), 18, strap, (30, 30, 30), 3)
    for y in range(12, 395, 22):
        pen.line([(MIDDLE - wide + 8, y), (MIDDLE + wide - 8, y)], shade(rng, strap, 30), 4)
    metal = pick(rng, (190, 190, 196), (212, 175, 80), (70, 70, 76))
    pen.rectangle((320, 188, 346, 212), metal)
    pen.ellipse(box(MIDDLE, MIDDLE, 132), metal, (40, 40, 40), 3)
    dial = pick(rng, (245, 244, 238), (24, 28, 40), (225, 215, 190), (40, 70, 120))
    ink = (30, 30, 30) if sum(dial) > 380 else (240, 240, 235)
    pen.ellipse(box(MIDDLE, MIDDLE, 108), dial, (50, 50, 50), 2)
    for outer, inner in zip(around(12, 102), around(12, 84), strict=True):
        pen.line([outer, inner], ink, 7)
    for length, width in ((52, 12), (80, 7)):
        pen.line([(MIDDLE, MIDDLE), around(1, length, rng.random())[0]], ink, width)
    pen.ellipse(box(MIDDLE, MIDDLE, 9), ink)
    return tile


def yin_yang(rng):
    tile, pen = new_tile()
    dark, bright = shade(rng, (16, 16, 18)), shade(rng, (245, 245, 242), 10)
    if rng.random() < 0.15:
        dark = tuple(value // 2 for value in random_colour(rng))
    pen.ellipse(box(MIDDLE, MIDDLE, 194), dark)
    pen.pieslice(box(MIDDLE, MIDDLE, 184), 90, 270, bright)
    pen.pieslice(box(MIDDLE, MIDDLE, 184), 270, 90, dark)
    for y, around_it, dot in ((MIDDLE - 92, bright, dark), (MIDDLE + 92, dark, bright)):
        pen.ellipse(box(MIDDLE, y, 92), around_it)
        pen.ellipse(box(MIDDLE, y, rng.uniform(22, 32)), dot)
    return tile


OBJECTS = (pizza, soccer_ball, starfish, stop_sign, sunflower, umbrella, watch, yin_yang)
DRAWINGS = {function.__name__: function for function in OBJECTS}
# Degrees to either side of upright. The other objects are round: they turn all the way.
MAX_ROTATION = {"stop_sign": 20, "sunflower": 35, "umbrella": 40, "watch": 45, "yin_yang": 45}
