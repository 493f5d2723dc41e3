"""Simple hands that show the digits 0 to 5, drawn in place of the photographs of notebook 06."""

import numpy as np
from PIL import Image, ImageDraw

SCALE = 4  # drawn larger and then reduced, so that edges are smooth
SKIN, SHADE = (205, 160, 125), (140, 95, 70)
# On a canvas of 100 x 100, palm towards the camera: root, tip, width.
FINGERS = {
    "little": ((36, 58), (22, 36), 7.5),
    "ring": ((42, 52), (35, 19), 8.5),
    "middle": ((50, 50), (50, 12), 9),
    "index": ((58, 53), (65, 18), 8.5),
    "thumb": ((60, 70), (82, 50), 9.5),
}
SHOWN = {  # the fingers that are stretched out; 0 is a ring of thumb and fingers
    1: ("index",),
    2: ("index", "middle"),
    3: ("index", "middle", "thumb"),
    4: ("index", "middle", "ring", "little"),
    5: ("index", "middle", "ring", "little", "thumb"),
}


def draw_hand(digit, number=0, size=100):
    """A hand that shows `digit` before a grey wall: uint8 (size, size, 3).

    number: another number is another hand, another tilt and another light.
    """
    rng = np.random.default_rng(number)
    angle, zoom = rng.uniform(-0.2, 0.2), rng.uniform(0.85, 1.05)
    turn = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    tone = rng.uniform(0.75, 1.15)

    def place(point):
        return SCALE * (turn @ (np.array(point) - (50, 60)) + (50, 58))

    canvas = wall(rng)
    strokes = ring() if digit == 0 else palm_and_fingers(SHOWN[digit])
    for points, width in strokes:
        draw_stroke(canvas, [place(point) for point in points], SCALE * zoom * width, tone)
    return np.asarray(canvas.resize((size, size), Image.Resampling.LANCZOS))


def wall(rng):
    """A grey wall, brighter in the middle."""
    side = 100 * SCALE
    down, across = (np.indices((side, side)) / side - 0.5) * 2
    light = rng.uniform(185, 215) - rng.uniform(20, 50) * (down**2 + across**2)
    return Image.fromarray((light[..., None] * (0.98, 0.98, 1.0)).clip(0, 255).astype("uint8"))


def palm_and_fingers(shown):
    """Strokes (points, width): arm, stretched fingers, palm, and the others folded on it."""
    yield ((50, 135), (50, 84)), 21
    for name in shown:
        root, tip, width = FINGERS[name]
        yield (root, tip), width
    yield ((45, 78), (43, 62), (53, 61), (55, 78), (45, 78)), 20
    for name in FINGERS:
        (x, y), (tip_x, tip_y), width = FINGERS[name]
        if name == "thumb" and name not in shown:
            yield ((62, 72), (46, 63)), width
        elif name not in shown:
            yield ((x + 0.2 * (tip_x - x), y + 0.1 * (tip_y - y)), (x + 1, y + 12)), width + 1


def ring():
    """Strokes of a 0: the tips of thumb and fingers meet."""
    yield ((50, 135), (48, 84)), 21
    yield ((48, 80), (50, 62)), 24
    around = np.linspace(0.65 * np.pi, 2.3 * np.pi, 24)
    yield [(52 + 14 * np.cos(turn), 36 + 19 * np.sin(turn)) for turn in around], 11
    yield ((57, 66), (67, 46)), 10


def draw_stroke(canvas, points, width, tone):
    """A thick line with round ends and a dark outline."""
    pen = ImageDraw.Draw(canvas)
    for colour, thick in ((SHADE, width + 1.2 * SCALE), (SKIN, width)):
        fill = tuple(min(int(tone * value), 255) for value in colour)
        pen.line([tuple(point) for point in points], fill, round(thick), joint="curve")
        for x, y in points:
            pen.ellipse((x - thick / 2, y - thick / 2, x + thick / 2, y + thick / 2), fill)
