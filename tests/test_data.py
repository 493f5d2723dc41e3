"""The images: download, extraction, reading, split, batches."""

import hashlib
import io
import itertools
import os
from pathlib import Path

import numpy as np
import pytest
from conftest import archive_of, picture, serving, write_folder
from PIL import Image

from helpers import UserError, batches, data, download, files, splits
from helpers.recipe import Recipe
from images import synthetic

# --- fetching


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server on this machine with a small archive in Caltech 101's layout."""
    jpeg = io.BytesIO()
    picture().save(jpeg, "jpeg")
    names = [f"101_ObjectCategories/{c}/image_0001.jpg" for c in ("accordion", "anchor")]
    archive = archive_of(tmp_path / "served.zip", dict.fromkeys(names, jpeg.getvalue()))

    with serving(archive.read_bytes()) as handler:
        monkeypatch.setenv("CALTECH101_URL", f"{handler.address}/c.zip")
        monkeypatch.setenv("CALTECH101_SHA256", hashlib.sha256(handler.content).hexdigest())
        yield handler


def test_downloads_and_extracts_once(server, tmp_path):
    found = download.caltech101(tmp_path / "data")
    assert sorted(child.name for child in found.iterdir()) == ["accordion", "anchor"]
    assert download.caltech101(tmp_path / "data") == found
    assert server.requests == 1
    assert not list((tmp_path / "data").glob("*.part"))


def test_a_download_cut_short_is_not_taken_for_whole(server, tmp_path):
    server.cut = 100
    with pytest.raises(UserError, match="By hand: get"):
        download.caltech101(tmp_path / "data")
    assert not (tmp_path / "data" / "caltech-101.zip").exists()
    server.cut = None
    assert download.caltech101(tmp_path / "data").is_dir()
    assert server.requests == 2


def test_left_overs_of_a_killed_start_are_not_taken_for_whole(server, tmp_path):
    folder = tmp_path / "data"
    (folder / "caltech-101.part" / "101_ObjectCategories" / "accordion").mkdir(parents=True)
    (folder / "caltech-101.zip.part").write_bytes(b"half a download")
    found = download.caltech101(folder)
    assert (found / "anchor" / "image_0001.jpg").exists()
    assert not list(folder.glob("*.part"))


def test_a_wrong_checksum_is_refused_and_a_file_put_there_by_hand_is_kept(server, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "caltech-101.zip").write_bytes(b"something else")
    with pytest.raises(UserError, match="is not the official"):
        download.caltech101(folder)
    assert (folder / "caltech-101.zip").read_bytes() == b"something else"
    assert server.requests == 0


def test_a_download_of_something_else_is_refused_and_removed(server, tmp_path, monkeypatch):
    monkeypatch.setenv("CALTECH101_SHA256", "0" * 64)
    with pytest.raises(UserError, match="is not the official"):
        download.caltech101(tmp_path / "data")
    assert list((tmp_path / "data").iterdir()) == []


@pytest.fixture
def put_there(tmp_path, monkeypatch):
    """Writes an archive where one is put by hand, with the checksum that is wanted."""

    def write(members, **options):
        archive = archive_of(tmp_path / "data" / "caltech-101.zip", members, **options)
        monkeypatch.setenv("CALTECH101_SHA256", files.sha256(archive))
        return archive

    (tmp_path / "data").mkdir()
    return write


def test_an_archive_that_leads_outside_is_not_extracted(tmp_path, put_there):
    archive = put_there({"101_ObjectCategories/a.jpg": b"", "../../outside.txt": b"x"})
    with pytest.raises(UserError, match="not safe"):
        download.caltech101(tmp_path / "data")
    assert not (tmp_path / "outside.txt").exists()
    assert list((tmp_path / "data").iterdir()) == [archive]


def test_an_absolute_path_in_an_archive_is_made_relative(tmp_path, put_there):
    put_there({"101_ObjectCategories/accordion/a.jpg": b"", "/outside.txt": b"x"})
    found = download.caltech101(tmp_path / "data")
    assert not Path("/outside.txt").exists() and (found.parent / "outside.txt").exists()


def test_a_broken_archive_leaves_nothing_behind(tmp_path, put_there, monkeypatch):
    archive = put_there({"a.jpg": b"x" * 1000}, inner="other.tar.gz")
    with pytest.raises(UserError, match=r"has no 101_ObjectCategories\.tar\.gz"):
        download.caltech101(tmp_path / "data")
    archive.write_bytes(b"no zip")
    monkeypatch.setenv("CALTECH101_SHA256", files.sha256(archive))
    with pytest.raises(UserError, match="could not be extracted"):
        download.caltech101(tmp_path / "data")
    assert list((tmp_path / "data").iterdir()) == [archive]


def test_the_data_folder_is_the_argument_then_the_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("RESNET50_DATA", str(tmp_path / "variable"))
    assert download.data_folder() == tmp_path / "variable"
    assert download.data_folder(tmp_path / "argument") == tmp_path / "argument"
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="Cannot make the data folder"):
        download.data_folder(tmp_path / "file" / "below")


# --- reading


def save_16_bit(path):
    grey = np.linspace(0, 65535, 40 * 30).reshape(30, 40).astype("uint16")
    Image.fromarray(grey).save(path)


WRITERS = {
    "grey.jpg": lambda path: picture(mode="L").save(path),
    "cmyk.jpg": lambda path: picture(mode="CMYK").save(path),
    "rgba.png": lambda path: picture(mode="RGBA").save(path),
    "palette.png": lambda path: picture(mode="P").save(path),
    "one bit.png": lambda path: picture(mode="1").save(path),
    "sixteen_bit.png": save_16_bit,
    "animated.gif": lambda path: picture(0).save(
        path, save_all=True, append_images=[picture(1), picture(2)]
    ),
    "pixel.png": lambda path: picture(size=(1, 1)).save(path),
    "large.png": lambda path: Image.new("L", (10000, 10000), 77).save(path),
    "a name with spaces, ünïcode 图.jpg": lambda path: picture().save(path),
    "no_suffix": lambda path: picture().save(path, "jpeg"),
    "mislabelled.png": lambda path: picture().save(path, "jpeg"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_reads_pictures_of_every_kind(tmp_path, name):
    WRITERS[name](tmp_path / name)
    image = data.read_image(tmp_path / name, 32)
    assert image.shape == (32, 32, 3) and image.dtype == np.uint8


def test_sixteen_bits_are_scaled_not_cut(tmp_path):
    save_16_bit(tmp_path / "a.png")
    image = data.read_image(tmp_path / "a.png", 32)
    assert image.min() < 20 and image.max() > 235 and 100 < image.mean() < 155


def test_transparency_becomes_white_and_rotation_is_undone(tmp_path):
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    assert (data.read_image(tmp_path / "clear.png", 32) == 255).all()
    upright = Image.new("RGB", (64, 64), "white")
    upright.paste((0, 0, 0), (0, 0, 64, 32))  # dark above
    exif = Image.Exif()
    exif[274] = 3  # the camera was upside down
    upright.rotate(180).save(tmp_path / "turned.jpg", exif=exif)
    image = data.read_image(tmp_path / "turned.jpg", 32)
    assert image[:12].mean() < 20 and image[20:].mean() > 235


def truncated(path):
    content = io.BytesIO()
    picture(size=(200, 200)).save(content, "jpeg")
    path.write_bytes(content.getvalue()[:2000])


BAD = {
    "missing.jpg": (lambda path: None, "no such file"),
    "empty.jpg": (lambda path: path.write_bytes(b""), "not a picture"),
    "text.jpg": (lambda path: path.write_text("hello"), "not a picture"),
    "cut.jpg": (truncated, "damaged"),
    "cut.png": (
        lambda path: (
            picture(size=(99, 99)).save(path),
            path.write_bytes(path.read_bytes()[:3000]),
        ),
        "damaged",
    ),
    "folder.jpg": (lambda path: path.mkdir(), "a directory"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_pictures_get_one_line(tmp_path, name):
    write, message = BAD[name]
    write(tmp_path / name)
    with pytest.raises(UserError, match=message) as error:
        data.read_image(tmp_path / name, 32)
    assert str(tmp_path / name) in str(error.value) and "\n" not in str(error.value)


def test_no_permission_gets_one_line(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(data.Image, "open", refuse)  # a real one would not stop root
    with pytest.raises(UserError, match="permission denied"):
        data.read_image(tmp_path / "a.jpg", 32)


def test_a_picture_too_large_to_decode_is_refused(tmp_path, monkeypatch):
    picture().save(tmp_path / "a.jpg")
    monkeypatch.setattr(data, "LARGEST_IMAGE", 40 * 30 - 1)
    with pytest.raises(UserError, match="too large"):
        data.read_image(tmp_path / "a.jpg", 32)


def test_a_folder_is_read_in_order_and_bad_files_are_named(folder):
    truncated(folder / "blue" / "image_0002.jpg")
    (folder / "green" / "notes.txt").write_text("no picture")
    (folder / "green" / ".hidden").write_text("not even looked at")
    (folder / "BACKGROUND_Google").mkdir()
    images = data.load_images(folder, 32)
    assert images.class_names == ["blue", "green"]
    assert [Path(path).name for path in images.paths[:3]] == [
        "image_0000.jpg",
        "image_0001.jpg",
        "image_0003.jpg",
    ]
    assert list(images.labels) == [0] * 5 + [1] * 6
    assert len(images.skipped) == 2
    for path, pixels in zip(images.paths, images.pixels, strict=True):
        assert (pixels == data.read_image(path, 32)).all()


def test_without_keeping_the_files_are_checked_all_the_same(folder):
    truncated(folder / "blue" / "image_0002.jpg")
    images = data.load_images(folder, 32, keep=False)
    assert images.pixels is None and len(images.paths) == 11 and len(images.skipped) == 1


def test_too_few_classes_or_pictures(tmp_path):
    one = write_folder(tmp_path / "one", classes=("only",))
    with pytest.raises(UserError, match="two or more are needed"):
        data.load_images(one, 32)
    (tmp_path / "none").mkdir()
    with pytest.raises(UserError, match="0 class folders"):
        data.load_images(tmp_path / "none", 32)
    (one / "empty").mkdir()
    with pytest.raises(UserError, match="no readable picture"):
        data.load_images(one, 32)


# --- the split

LABELS = np.repeat([0, 1, 2], [40, 31, 100])
NAMES = ["a", "b", "c"]


def test_the_split_follows_the_protocol():
    train, validation, test = splits.split(LABELS, NAMES, 30, 5)
    assert np.bincount(LABELS[train]).tolist() == [25, 25, 25]
    assert np.bincount(LABELS[validation]).tolist() == [5, 5, 5]
    assert np.bincount(LABELS[test]).tolist() == [10, 1, 70]
    everything = np.concatenate([train, validation, test])
    assert sorted(everything) == list(range(len(LABELS)))


def test_the_split_is_repeatable_and_validation_comes_from_training():
    train, _, test = splits.split(LABELS, NAMES, 30, 0, seed=4)
    again, validation, test_again = splits.split(LABELS, NAMES, 30, 5, seed=4)
    assert (test == test_again).all()
    assert sorted([*again, *validation]) == sorted(train)
    assert set(splits.split(LABELS, NAMES, 30, 0, seed=5)[0]) != set(train)
    # A digest, so that a change of NumPy or of the code that moves pictures is seen.
    assert hashlib.sha256(train.astype("<i8")).hexdigest()[:12] == "4124c9d18412"


def test_without_a_count_a_fifth_is_for_the_test():
    train, _, test = splits.split(LABELS, NAMES)
    assert np.bincount(LABELS[train]).tolist() == [32, 24, 80]
    assert np.bincount(LABELS[test]).tolist() == [8, 7, 20]


@pytest.mark.parametrize("per_class, validation", [(31, 0), (30, 30), (100, 5)])
def test_a_class_with_too_few_pictures_is_named(per_class, validation):
    with pytest.raises(UserError, match=r"Class '[ab]' has"):
        splits.split(LABELS, NAMES, per_class, validation)


# --- batches


def some_batches(images, first_epoch=0, **changes):
    labels = np.arange(len(images)) % 3
    options = dict(image_size=32, batch_size=4, epochs=3, seed=1, cutmix=0.0) | changes
    dataset, steps = batches.train_batches(images, labels, 3, Recipe(**options), first_epoch)
    return [(x.numpy(), y.numpy()) for x, y in dataset], steps


IMAGES = np.random.default_rng(0).integers(0, 256, (10, 40, 40, 3)).astype("uint8")


def test_batches_have_the_promised_shapes_and_ranges():
    found, steps = some_batches(IMAGES)
    assert steps == 2 and len(found) == 6
    for x, y in found:
        assert x.shape == (4, 32, 32, 3) and x.min() >= 0 and x.max() <= 255
        assert y.shape == (4, 3) and np.allclose(y.sum(axis=1), 1, atol=1e-5)


def test_a_later_start_sees_the_very_same_batches():
    whole, _ = some_batches(IMAGES)
    rest, _ = some_batches(IMAGES, first_epoch=1)
    assert len(rest) == 4
    for (x, y), (x2, y2) in zip(whole[2:], rest, strict=True):
        assert (x == x2).all() and (y == y2).all()
    assert not (whole[0][0] == whole[2][0]).all()
    assert not (some_batches(IMAGES, seed=2)[0][0][0] == whole[0][0]).all()


def test_an_image_is_augmented_otherwise_in_each_step_and_epoch():
    same = np.repeat(IMAGES[:1], 8, axis=0)  # so that their order makes no difference
    found, steps = some_batches(same, mixup=0.0)
    assert steps == 2
    for one, other in itertools.combinations([x for x, _ in found], 2):
        assert not (one == other).all()


def test_each_epoch_shows_each_image_once_with_its_own_label():
    # Images of one grey each: the grey survives crops, and tells which image it was.
    flat = np.zeros((12, 40, 40, 3), "uint8") + np.arange(60, 180, 10)[:, None, None, None]
    recipe = Recipe(image_size=32, batch_size=4, epochs=1, mixup=0.0, cutmix=0.0)
    dataset, steps = batches.train_batches(flat.astype("uint8"), np.arange(12) % 3, 3, recipe)
    assert steps == 3
    seen = [y.numpy().argmax(axis=1) for _, y in dataset]
    assert np.bincount(np.concatenate(seen)).tolist() == [4, 4, 4]


@pytest.mark.parametrize("mixing", [dict(mixup=1.0), dict(mixup=0, cutmix=1.0)], ids=str)
def test_mixing_mixes_images_and_labels_by_the_same_share(mixing):
    black_and_white = np.zeros((4, 40, 40, 3), "uint8")
    black_and_white[2:] = 200
    labels = np.eye(2, dtype="float32")[[0, 0, 1, 1]]
    images, mixed = batches.augment(black_and_white, labels, (3, 4), 32, **mixing)
    plain, _ = batches.augment(black_and_white, labels, (3, 4), 32, mixup=0)
    white = plain.numpy().max(axis=(1, 2, 3))
    expected = mixed.numpy()[:, 0] * np.minimum(white, white[::-1]) + mixed.numpy()[
        :, 1
    ] * np.maximum(white, white[::-1])
    assert np.allclose(images.numpy().mean(axis=(1, 2, 3)), expected, atol=0.5)
    assert ((mixed > 0.02) & (mixed < 0.98)).numpy().any()


def test_cutmix_pastes_a_rectangle_into_its_share_of_the_images():
    images = np.zeros((1000, 20, 20, 3), "uint8")
    images[500:] = 200
    labels = np.eye(2, dtype="float32")[[0] * 500 + [1] * 500]
    mixed, shares = batches.augment(images, labels, (0, 0), 16, mixup=0, cutmix=0.3)
    black = mixed.numpy()[:500, :, :, 0] == 0
    pasted = ~black.all(axis=(1, 2))
    assert 0.2 < pasted.mean() < 0.4
    for area in ~black[pasted]:  # a full rectangle: all its rows and columns cross
        assert (area == np.outer(area.any(axis=1), area.any(axis=0))).all()
    assert np.allclose(shares.numpy()[:500, 1], (~black).mean(axis=(1, 2)), atol=1e-6)


def test_mirroring_happens_to_half_of_the_images():
    ramp = np.tile(np.linspace(0, 255, 40)[None, None, :, None], (200, 40, 1, 3)).astype("uint8")
    images, _ = batches.augment(ramp, np.ones((200, 1), "float32"), (0, 0), 32, mixup=0)
    falling = (images[:, 16, 28, 0] < images[:, 16, 4, 0]).numpy().mean()
    assert 0.35 < falling < 0.65


def test_streaming_from_disk_gives_what_the_cache_gives(folder):
    images = data.load_images(folder, 40)
    cached, _ = some_batches(images.pixels)
    streamed, _ = some_batches(images.paths)
    for (x, y), (x2, y2) in zip(cached, streamed, strict=True):
        assert (x == x2).all() and (y == y2).all()


def test_the_sample_is_read_by_the_same_code(tmp_path, monkeypatch):
    write = synthetic.write_pictures
    monkeypatch.setattr(synthetic, "write_pictures", lambda folder: write(folder, per_category=2))
    found = download.dataset_folder("sample", tmp_path)
    images = data.load_images(found, 32)
    assert images.class_names == list(synthetic.CATEGORIES) and len(images.paths) == 16


def test_unknown_data_is_one_line():
    with pytest.raises(UserError, match="no such folder"):
        download.dataset_folder("nowhere/at/all")


# --- the real archive, where there is one


@pytest.mark.skipif("REAL_CALTECH101" not in os.environ, reason="$REAL_CALTECH101 names no file")
def test_the_real_caltech101(tmp_path, monkeypatch):
    archive = Path(os.environ["REAL_CALTECH101"])
    (tmp_path / "caltech-101.zip").symlink_to(archive.resolve())
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    monkeypatch.setenv("CALTECH101_SHA256", digest)
    images = data.load_images(download.caltech101(tmp_path), 32, keep=False)
    assert len(images.paths) == 8677 and len(images.class_names) == 101
    assert images.skipped == []
    train, validation, test = splits.split(images.labels, images.class_names, 30, 5)
    assert [len(part) for part in (train, validation, test)] == [2525, 505, 5647]
