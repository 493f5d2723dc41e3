"""Synthetic pictures: the same each time, laid out like Caltech 101, not told by colour alone."""

import os

import numpy as np
import pytest
from PIL import Image

from images import synthetic


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return synthetic.write_pictures(tmp_path_factory.mktemp("synthetic") / "drawn", per_category=3)


def contents(folder):
    """{path inside the folder: bytes} of every file."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_layout_is_that_of_caltech_101(folder):
    expected = {
        f"{category}/image_{number:04d}.jpg"
        for category in synthetic.CATEGORIES
        for number in (1, 2, 3)
    }
    assert set(contents(folder)) == expected
    assert list(synthetic.CATEGORIES) == sorted(synthetic.CATEGORIES)


def test_every_file_is_a_small_rgb_jpeg_of_its_own_size(folder):
    sizes = set()
    for path in folder.glob("*/*.jpg"):
        with Image.open(path) as picture:
            picture.load()
            assert (picture.format, picture.mode) == ("JPEG", "RGB")
            sizes.add(picture.size)
    assert len(sizes) > 12
    assert all(150 <= width <= 220 and 140 <= height <= 200 for width, height in sizes)


def test_same_seed_draws_the_same_and_another_seed_does_not(folder, tmp_path):
    again = contents(synthetic.write_pictures(tmp_path / "again", per_category=3))
    other = contents(synthetic.write_pictures(tmp_path / "other", per_category=3, seed=1))
    assert again == contents(folder)
    assert all(other[name] != again[name] for name in again)


def test_fewer_pictures_are_the_first_of_more(folder, tmp_path):
    fewer = contents(synthetic.write_pictures(tmp_path / "fewer", per_category=2))
    assert len(fewer) == 2 * len(synthetic.CATEGORIES)
    assert fewer.items() <= contents(folder).items()


def test_a_run_cut_short_leaves_no_folder(tmp_path, monkeypatch):
    def stop(rng):
        raise KeyboardInterrupt

    monkeypatch.setitem(synthetic.DRAWINGS, "watch", stop)
    with pytest.raises(KeyboardInterrupt):
        synthetic.write_pictures(tmp_path / "drawn", per_category=1)
    assert not (tmp_path / "drawn").exists()


def test_left_over_part_is_drawn_anew(tmp_path):
    left_over = tmp_path / f"drawn.part-{os.getpid()}" / "stop_sign"
    left_over.mkdir(parents=True)
    (left_over / "image_0009.jpg").write_bytes(b"cut short")
    folder = synthetic.write_pictures(tmp_path / "drawn", per_category=1)
    assert len(contents(folder)) == len(synthetic.CATEGORIES)
    assert [path.name for path in tmp_path.iterdir()] == ["drawn"]


def test_two_processes_may_draw_the_same_folder_at_once(tmp_path, monkeypatch):
    draw = synthetic.draw_picture

    def draw_while_another_finishes(category, number, seed):
        other = tmp_path / "drawn" / category
        other.mkdir(parents=True, exist_ok=True)
        (other / f"image_{number:04d}.jpg").write_text("the other's")
        return draw(category, number, seed)

    monkeypatch.setattr(synthetic, "draw_picture", draw_while_another_finishes)
    folder = synthetic.write_pictures(tmp_path / "drawn", per_category=1)
    assert len(list(folder.glob("*/*.jpg"))) == len(synthetic.CATEGORIES)
    assert [path.name for path in tmp_path.iterdir()] == ["drawn"]


def test_a_whole_folder_is_kept_and_an_empty_one_filled(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "note.txt").write_text("keep me")
    assert synthetic.write_pictures(tmp_path / "mine") == tmp_path / "mine"
    assert list(contents(tmp_path / "mine")) == ["note.txt"]
    (tmp_path / "empty").mkdir()
    synthetic.write_pictures(tmp_path / "empty", per_category=1)
    assert len(contents(tmp_path / "empty")) == len(synthetic.CATEGORIES)


def test_colour_alone_helps_but_does_not_solve_it():
    """The nearest mean of colour histograms: above chance, 1 in 8, and far from perfect."""
    train, test = (
        np.array([[histogram(category, n) for n in numbers] for category in range(8)])
        for numbers in (range(1, 13), range(13, 19))
    )
    distance = np.linalg.norm(test[:, :, None] - train.mean(1)[None, None], axis=-1)
    accuracy = (distance.argmin(-1) == np.arange(8)[:, None]).mean()
    assert 0.2 < accuracy < 0.8


def histogram(category, number):
    """How often each of 4 x 4 x 4 colours occurs in a synthetic picture."""
    picture = synthetic.draw_picture(synthetic.CATEGORIES[category], number)
    colours = np.asarray(picture).reshape(-1, 3)
    counts, _ = np.histogramdd(colours, bins=4, range=[(0, 256)] * 3)
    return np.sqrt(counts.ravel() / len(colours))


def test_shape_tells_the_categories_apart():
    """Drawn upright on grey, new pictures are nearest to the mean of their own category."""
    tiles = np.array([[upright(name, seed) for seed in range(16)] for name in synthetic.DRAWINGS])
    means = tiles[:, :12].mean(1)
    distance = np.linalg.norm(tiles[:, 12:, None] - means[None, None], axis=-1)
    assert (distance.argmin(-1) == np.arange(8)[:, None]).mean() > 0.75


def upright(name, seed):
    """A category's object on a grey ground, (40 * 40 * 3,) in 0-1."""
    tile = synthetic.DRAWINGS[name](np.random.default_rng(seed))
    ground = Image.new("RGB", tile.size, (128, 128, 128))
    ground.paste(tile, mask=tile)
    return np.asarray(ground.reduce(10)).ravel() / 255


def test_an_unknown_category_is_refused():
    with pytest.raises(KeyError, match="unicorn"):
        synthetic.random_picture("unicorn", np.random.default_rng(0))
