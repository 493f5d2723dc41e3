"""Sign-language digits: download, sessions, split, hands, training from another network."""

import hashlib
import io
import json
import os
import zipfile
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sklearn
from conftest import picture, serving, small_network
from PIL import Image, ImageDraw
from test_commands import refused, run_predict

import predict
import train
from experiments import transfer_rates, transfer_study
from experiments.corruptions import CORRUPTIONS, corrupt
from helpers import UserError, batches, data, download, models, signs, splits, training
from helpers.recipe import Recipe
from images import synthetic
from images.nearest import nearest

FIRST = datetime(2017, 12, 12, 11, 0)


def photo(digit, number, taken=None):
    """A "hand" before a grey wall: as many reddish fingers as the digit says; a JPEG's bytes."""
    image = Image.new("RGB", (40, 40), (190 + number % 20, 190, 195))
    pen = ImageDraw.Draw(image)
    pen.ellipse((10, 22, 30, 40), (200, 130, 100 - number % 10))
    for finger in range(digit):
        pen.rectangle((9 + 4 * finger, 6, 10 + 4 * finger, 30), (200, 130, 100))
    exif = Image.Exif()
    if taken:
        exif[306] = taken.strftime("%Y:%m:%d %H:%M:%S")
    content = io.BytesIO()
    image.save(content, "jpeg", exif=exif)
    return content.getvalue()


def photographed(sessions=5, signers=2, digits=10):
    """{"0/IMG_1000.JPG": bytes, ...}, as in the data set: signer after signer, digit by digit."""
    found, number = {}, 1000
    for session in range(sessions):
        for signer in range(signers):
            for digit in range(digits):
                taken = FIRST + timedelta(hours=session, seconds=60 * signer + 3 * digit)
                found[f"{digit}/IMG_{number}.JPG"] = photo(digit, number, taken)
                number += 1
    return found


def digest_of(photos):
    lines = [f"{name} {hashlib.sha256(photos[name]).hexdigest()}\n" for name in sorted(photos)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def zipped(photos, folder="Sign-Language-Digits-Dataset-4b09433"):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(f"{folder}/README.md", "about")
        archive.writestr(f"{folder}/Examples/example_0.JPG", b"")
        for name in sorted(photos):
            archive.writestr(f"{folder}/Dataset/{name}", photos[name])
    return content.getvalue()


PHOTOS = photographed()


@pytest.fixture
def wanted(monkeypatch):
    """The stand-in takes the place of the data set."""
    monkeypatch.setattr(download, "SIGNS_SHA256", digest_of(PHOTOS))
    monkeypatch.setattr(download, "SIGNS_PHOTOS", len(PHOTOS))
    monkeypatch.setenv("SIGNS_URL", "http://127.0.0.1:1/signs.zip")  # nobody listens there


@pytest.fixture
def server(wanted, monkeypatch):
    with serving(zipped(PHOTOS)) as handler:
        monkeypatch.setenv("SIGNS_URL", f"{handler.address}/signs.zip")
        yield handler


@pytest.fixture
def folder(wanted, tmp_path):
    """The extracted stand-in, in a data folder of its own."""
    (tmp_path / "sign-language-digits.zip").write_bytes(zipped(PHOTOS))
    return download.sign_digits(tmp_path)


# --- fetching


def test_downloads_and_extracts_once(server, tmp_path):
    found = download.dataset_folder("signs", tmp_path)
    assert {str(f.relative_to(found)): f.read_bytes() for f in found.rglob("*.JPG")} == PHOTOS
    assert download.sign_digits(tmp_path) == found and server.requests == 1
    assert not list(tmp_path.glob("*.part"))


def test_what_is_compared_is_the_content_not_the_packing(server, tmp_path):
    server.content = zipped(PHOTOS, "Sign-Language-Digits-Dataset-" + 40 * "a")
    assert len(list(download.sign_digits(tmp_path).iterdir())) == 10


def test_a_download_cut_short_says_what_to_do_and_can_be_repeated(server, tmp_path):
    server.cut = 100
    with pytest.raises(UserError, match=r"By hand: get sign-language-digits\.zip from") as error:
        download.sign_digits(tmp_path)
    assert str(tmp_path / "sign-language-digits.zip") in str(error.value)
    assert "\n" not in str(error.value) and list(tmp_path.iterdir()) == []
    server.cut = None
    assert download.sign_digits(tmp_path).is_dir()


@pytest.mark.parametrize("change", ["one byte", "one photo less", "one photo more", "no zip"])
def test_other_content_is_refused(server, tmp_path, change):
    other = dict(PHOTOS)
    name = next(iter(other))
    if change == "one byte":
        other[name] = other[name][:-1] + b"x"
    if change == "one photo less":
        del other[name]
    if change == "one photo more":
        other["0/IMG_9999.JPG"] = other[name]
    server.content = b"no zip" if change == "no zip" else zipped(other)
    with pytest.raises(UserError, match="is not the zip of sign-language digits"):
        download.sign_digits(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_put_there_by_hand_is_used_or_kept(server, tmp_path):
    (tmp_path / "sign-language-digits.zip").write_bytes(zipped({}))
    with pytest.raises(UserError, match="0 of 100 photos found"):
        download.sign_digits(tmp_path)
    (tmp_path / "sign-language-digits.zip").write_bytes(zipped(PHOTOS))
    (tmp_path / "sign-language-digits.part" / "0").mkdir(parents=True)  # of a killed start
    (tmp_path / "sign-language-digits.part" / "0" / "half.JPG").write_bytes(b"")
    found = download.sign_digits(tmp_path)
    assert len(list(found.rglob("*.JPG"))) == len(PHOTOS) and server.requests == 0


# --- sessions and split


def test_sessions_are_parted_by_breaks(folder):
    files = sorted(folder.rglob("*.JPG"), key=lambda file: file.stem)
    assert signs.sessions(files).tolist() == np.repeat(range(5), 20).tolist()
    shuffled = np.random.default_rng(0).permutation(100)
    again = signs.sessions([files[row] for row in shuffled])
    assert (again == np.repeat(range(5), 20)[shuffled]).all()


def test_a_photo_that_does_not_say_when(tmp_path):
    (tmp_path / "a.jpg").write_bytes(photo(1, 1))
    with pytest.raises(UserError, match=r"a\.jpg: the file does not say when"):
        signs.sessions([tmp_path / "a.jpg"])


LABELS = np.tile(np.arange(3), 60)
GROUPS = np.repeat(np.arange(7), [18, 30, 24, 30, 24, 24, 30])
NAMES = ["a", "b", "c"]


@pytest.mark.parametrize("validation", [0, 5])
@pytest.mark.parametrize("seed", range(5))
def test_no_group_lies_on_both_sides(seed, validation):
    parts = splits.split_groups(LABELS, NAMES, GROUPS, None, validation, seed)
    train, val, test = (set(GROUPS[part]) for part in parts)
    assert not train & test and not train & val and not val & test
    assert np.bincount(LABELS[parts[1]], minlength=3).tolist() == [validation] * 3


def test_five_seeds_test_each_image_once_and_repeat_themselves():
    tests = [splits.split_groups(LABELS, NAMES, GROUPS, seed=seed)[2] for seed in range(6)]
    assert sorted(np.concatenate(tests[:5])) == list(range(len(LABELS)))
    assert (tests[0] == tests[5]).all()
    few = [splits.split_groups(LABELS, NAMES, GROUPS, 4, 0, seed)[0] for seed in (0, 0, 5)]
    assert (few[0] == few[1]).all() and not (few[0] == few[2]).all()
    assert np.bincount(LABELS[few[0]]).tolist() == [4, 4, 4]
    # A digest, so that a change of scikit-learn or of the code that moves photos is seen.
    whole = np.concatenate([*tests, *few]).astype("<i8")
    # Colab's scikit-learn 1.6 deals out groups of equal size in another order.
    known = {"1.6": "5764a4fad411"}.get(sklearn.__version__[:3], "38e69dbaf99b")
    assert hashlib.sha256(whole).hexdigest()[:12] == known


def test_too_few_pictures_of_a_class_are_named():
    with pytest.raises(UserError, match=r"Class 'a' has \d+ pictures where 99 are needed"):
        splits.split_groups(LABELS, NAMES, GROUPS, 99)


# --- hands


def test_the_mask_is_the_hand():
    image, hand = Image.new("RGB", (80, 80), (200, 200, 205)), Image.new("1", (80, 80))
    for canvas, colour in ((image, (190, 130, 100)), (hand, 1)):
        pen = ImageDraw.Draw(canvas)
        pen.ellipse((20, 40, 60, 80), colour)
        pen.rectangle((30, 8, 38, 50), colour)
    ImageDraw.Draw(image).rectangle((38, 58, 41, 60), (250, 250, 250))  # a shine on a nail
    ImageDraw.Draw(image).rectangle((2, 2, 6, 6), (190, 130, 100))  # something on the wall
    pixels = np.asarray(image)[None]
    (mask,) = signs.hand_masks(pixels)
    assert set(np.unique(mask)) == {0, 255}
    assert ((mask > 0) == np.asarray(hand)).mean() > 0.98
    assert mask[59, 40] == 255 and mask[4, 4] == 0
    joined = signs.with_masks(pixels)
    assert joined.dtype == "uint8" and (joined[..., :3] == pixels).all()
    assert (joined[0, ..., 3] == mask).all()


def dot(x, y, side=41):
    images = np.zeros((1, side, side, 1), "float32")
    images[0, y - 1 : y + 2, x - 1 : x + 2] = 1
    return images


def where(images):
    return tuple(np.argwhere(np.asarray(images)[0, ..., 0] > 0.5).mean(axis=0)[::-1].round(1))


@pytest.mark.parametrize(
    ("degrees", "zoom", "shift", "place"),
    [
        (0, 1, (0, 0), (30, 20)),
        (90, 1, (0, 0), (20, 10)),  # counter-clockwise: what was right of the middle is above
        (0, 0.5, (0, 0), (25, 20)),
        (0, (0.5, 1), (0, 0), (25, 20)),
        (0, (1, 0.5), (0, 0), (30, 20)),
        (90, (1, 0.5), (0, 0), (20, 15)),  # turned first, then squeezed
        (0, 1, (0, 5 / 41), (30, 25)),
        (90, 1, (5 / 41, 0), (25, 10)),
    ],
)
def test_affine_transform_rotates_scales_and_shifts(degrees, zoom, shift, place):
    zoom = np.broadcast_to(np.array(zoom, "float32"), (1, 2))
    numbers = [np.array([value], "float32") for value in (degrees, shift)]
    found = where(batches.affine_transform(dot(30, 20), numbers[0], zoom, numbers[1]))
    assert np.allclose(found, place, atol=0.6), found


def test_copy_paste_changes_every_other_background_and_repeats_itself():
    images = np.full((200, 20, 20, 4), 100, "uint8")
    images[..., 3] = 0  # no hand at all: what is behind shows everywhere
    backgrounds = np.full((3, 20, 20, 3), 250, "uint8")
    one, same, other = (batches.copy_paste(images, backgrounds, (1, s)).numpy() for s in (2, 2, 3))
    assert (one == same).all() and not (one == other).all()
    assert one.shape == (200, 20, 20, 3) and one.min() >= 0 and one.max() <= 255
    replaced = (one.mean(axis=(1, 2, 3)) > 160).mean()
    assert 0.35 < replaced < 0.65
    hands = images.copy()
    hands[..., 3] = 255
    assert batches.copy_paste(hands, backgrounds, (1, 2)).numpy().mean() < 140


def test_copy_paste_changes_the_contrast_of_the_hand_alone():
    rows = 60 + 80 * (np.arange(40) // 5 % 2)  # stripes
    images = np.empty((200, 40, 40, 4), "uint8")
    images[..., :3] = rows[:, None, None]
    backgrounds = np.full((1, 40, 40, 3), 100, "uint8")
    still = dict(degrees=0.0, min_scale=1.09, stretch=0.0)

    def contrast(mask):
        images[..., 3] = mask
        placed = batches.copy_paste(images, backgrounds, (1, 2), **still).numpy().mean(axis=(2, 3))
        change = placed.std(axis=1) / placed.mean(axis=1)
        return change / (rows.std() / rows.mean())

    hand, wall = contrast(255), contrast(0)
    wall = wall[wall > 0.7]  # the others have the plain background
    assert 70 < len(wall) < 130
    assert (hand < 0.5).sum() > 30 and (hand > 1.3).sum() > 30 and wall.max() < 1.3


def test_backgrounds_are_synthetic_pictures_and_pink_noise(tmp_path, monkeypatch):
    write = synthetic.write_pictures
    monkeypatch.setattr(synthetic, "write_pictures", lambda folder: write(folder, per_category=2))
    found = signs.backgrounds(40, tmp_path)
    assert found.shape == (32, 40, 40, 3) and found.dtype == "uint8"
    drawn = data.load_images(download.dataset_folder("sample", tmp_path), 40).pixels
    assert (found[:16] == drawn).all()
    noise = synthetic.pink_noise(16, 40)
    assert (found[16:] == noise).all() and not (noise == synthetic.pink_noise(16, 40, seed=1)).all()
    assert noise.mean(axis=(1, 2, 3)).std() > 20  # dark ones and bright ones
    # Neighbours are alike, as in photographs: not so in white noise.
    values = noise.astype(float)
    steps = np.abs(np.diff(values, axis=1)).mean()
    assert steps < 0.7 * np.abs(values - np.roll(values, 20, axis=1)).mean()


def test_shifts_do_what_their_names_say():
    pixels = np.stack([np.asarray(Image.open(io.BytesIO(photo(d, 0)))) for d in (1, 2, 3, 4)])
    images = signs.with_masks(pixels)
    masks = images[..., 3]
    wall = np.full((2, 40, 40, 3), 7, "uint8")

    def shifted(name):
        return corrupt(images, wall, name)

    plain = shifted("as they are")
    assert np.abs(plain - pixels).max() < 1
    assert np.allclose(shifted("half the light"), plain / 2)
    assert np.allclose(shifted("the other hand"), plain[:, :, ::-1], atol=1)
    behind = shifted("other background")
    assert np.abs(behind - 7)[masks == 0].mean() < 3
    assert np.abs(behind - plain)[masks == 255].mean() < 3
    for name, changes in CORRUPTIONS.items():
        pictures = shifted(name)
        assert pictures.shape == pixels.shape and 0 <= pictures.min() <= pictures.max() <= 255
        assert (np.abs(pictures - plain).mean() < 1) == (not changes), name


def test_the_nearest_photo_is_found():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (6, 32, 32, 3)).astype("uint8")
    pixels[5] = pixels[2] // 2 + 20  # the same photo in other light
    distances, rows = nearest(pixels, np.arange(5), np.array([5]))
    assert rows.tolist() == [2] and distances[0] < 0.05
    distances, rows = nearest(pixels, np.array([0, 1, 3, 4]), np.array([5]))
    assert 1.2 < distances[0] < 1.6


# --- training and predicting

FLAGS = ["--image-size", "32", "--epochs", "1", "--batch-size", "8", "--precision", "float32"]


@pytest.fixture
def command(small, folder, tmp_path, monkeypatch):
    """The flags of a small training, with a network of two other classes to start from."""
    write = synthetic.write_pictures
    monkeypatch.setattr(synthetic, "write_pictures", lambda folder: write(folder, per_category=1))
    start = tmp_path / "start"
    start.mkdir()
    network = small_network((32, 32, 3), 2)
    for layer in network.layers:
        layer.set_weights([weights + 0.25 for weights in layer.get_weights()])
    models.save_float16(network, start / models.WEIGHTS)
    card = {"class_names": ["blue", "green"], "image_size": 32, "scaling": "-1..1"}
    models.save_card(start, card)
    common = [
        "--data",
        "signs",
        "--data-dir",
        tmp_path,
        "--init-from",
        start,
        "--out",
        tmp_path / "out",
    ]
    return [*map(str, common), *FLAGS]


def test_trains_on_digits_0_to_5_split_by_session_and_predicts(command, tmp_path, capsys):
    train.main(command)
    assert (
        "6 classes; 48 images for training, 0 for validation, 12 for testing"
        in capsys.readouterr().out
    )
    split = pd.read_csv(tmp_path / "out" / "split.csv")
    session = split["file"].str[-8:-4].astype(int).sub(1000) // 20
    sides = split.assign(session=session).groupby("part")["session"].agg(set)
    assert not sides["train"] & sides["test"] and len(sides["test"]) == 1
    photo = tmp_path / "sign-language-digits" / split[split["part"] == "test"]["file"].iloc[0]
    rows = json.loads(run_predict(capsys, photo, "--model", tmp_path / "out", "--json"))
    assert {guess["class"] for guess in rows[0]["predictions"]} < set("012345")
    train.main(command)
    assert "has this training run, finished" in capsys.readouterr().out


def test_ten_digits_by_flag(command, capsys):
    train.main([*command, "--digits", "10", "--init-from", "random"])
    assert "10 classes; 80 images for training" in capsys.readouterr().out


def test_what_is_frozen_is_that_of_the_start_and_is_not_stored_again(command, tmp_path, capsys):
    train.main([*command, "--freeze", "conv1"])
    start, _ = models.load_model(tmp_path / "start")
    model, card = models.load_model(tmp_path / "out")
    assert card["freeze"] == "conv1" and len(card["class_names"]) == 6
    kernels = [m.get_layer("conv1_conv").get_weights()[0] for m in (start, model)]
    assert (kernels[0] == kernels[1]).all() and kernels[0].any()
    free = [m.get_layer("block_3_bn").get_weights()[2] for m in (start, model)]
    assert not (free[0] == free[1]).all()
    sizes = [os.path.getsize(tmp_path / f / models.WEIGHTS) for f in ("start", "out")]
    assert sizes[1] < sizes[0]
    change_the_start(tmp_path / "start")
    line = refused(capsys, predict.main, [tmp_path / "x.jpg", "--model", tmp_path / "out"])
    assert "was trained from other weights than" in line
    line = refused(capsys, train.main, [*command, "--freeze", "conv1"])
    assert "other settings (init_sha256" in line


def change_the_start(folder):
    network = small_network((32, 32, 3), 2)
    models.save_float16(network, folder / models.WEIGHTS)
    models.save_card(folder, models.read_card(folder))


def test_frozen_layers_keep_their_averages_and_the_head_learns(small):
    recipe = Recipe(image_size=32, precision="float32", epochs=1, learning_rate=0.1)
    recipe = replace(recipe, freeze="conv1", zero_init_residual=False)
    model = training.build_model(recipe, 2)
    assert [layer.name for layer in model.layers if layer.weights and not layer.trainable] == [
        "conv1_conv"
    ]
    model.get_layer("block_3_bn").trainable = False
    before = [weights.copy() for weights in model.get_weights()]
    training.compile_model(model, recipe, 2)
    images = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3)).astype("float32")
    model.fit(images, np.eye(2)[[0, 1] * 4], batch_size=4, verbose=0)
    same = [(a == b).all() for a, b in zip(before, model.get_weights(), strict=True)]
    assert same == [True] * 6 + [False] * 2  # kernel, bias, four of BatchNorm; then the head's


BAD = {
    "--digits 7": (["--digits", "7"], "invalid choice"),
    "--freeze all": (["--freeze", "all"], "invalid choice"),
    "--freeze alone": (
        ["--freeze", "conv5", "--init-from", "random"],
        "needs --init-from, a network to start from",
    ),
    "no such start": (["--init-from", "nowhere"], "No trained model in"),
    "too few": (["--per-class", "9"], "Class '0' has 8 pictures where 9 are needed"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(command, capsys, case):
    flags, message = BAD[case]
    assert message in refused(capsys, train.main, [*command, *flags])


def test_no_network(small, wanted, tmp_path, capsys):
    flags = ["--data", "signs", "--data-dir", tmp_path, "--out", tmp_path / "out"]
    line = refused(capsys, train.main, flags)
    assert str(tmp_path / "sign-language-digits.zip") in line and "--data sample" in line


# --- the comparison


@pytest.fixture
def comparison(command, tmp_path, monkeypatch):
    """transfer_study on the stand-in: three corruptions, folders of its own."""
    folder = tmp_path / "models"
    folder.mkdir()
    (tmp_path / "start").rename(folder / "caltech101")
    things = tmp_path / "caltech-101" / "101_ObjectCategories"
    for name in ("accordion", "BACKGROUND_Google"):
        (things / name).mkdir(parents=True)
        picture(3).save(things / name / "image_0001.jpg")
    monkeypatch.setenv("RESNET50_DATA", str(tmp_path))
    monkeypatch.setattr(models, "MODELS", folder)
    monkeypatch.setattr(transfer_study, "MODEL", folder / "signs")
    monkeypatch.setattr(transfer_study, "BUILD", tmp_path / "build")
    monkeypatch.setitem(transfer_study.WAYS, "frozen", ["--freeze", "conv5"])  # one epoch
    monkeypatch.setattr(transfer_study, "choose_precision", lambda: "float32")
    few = ("as they are", "other background", "the other hand")
    monkeypatch.setattr(transfer_study, "CORRUPTIONS", {name: CORRUPTIONS[name] for name in few})
    return transfer_study


def test_the_comparison_goes_on_where_it_stopped_and_ships_a_network(comparison, capsys):
    comparison.near_duplicates()
    comparison.compare(seeds=1, epochs=1, ways=comparison.WAYS)
    comparison.few_photos(1, per_class=(2,), steps=2)
    heads = pd.read_csv(comparison.MODEL / "heads.csv").groupby("split")
    assert heads.size().to_dict() == {"at random": 5, "by session": 5}
    assert heads["images"].sum().nunique() == 1  # each split tests every photo once
    rows = pd.read_csv(comparison.MODEL / "results.csv")
    assert len(rows) == 2 * 3 + 1 and rows["accuracy"].between(0, 1).all()
    card = models.read_card(comparison.BUILD / "frozen-0")
    measured = rows.query("way == 'frozen' and shift == 'as they are' and photos == 'all'")
    assert abs(measured["accuracy"].item() - card["test"]["accuracy"]) < 0.17  # resized twice
    capsys.readouterr()
    comparison.compare(seeds=1, epochs=1, ways=comparison.WAYS)
    comparison.few_photos(1, per_class=(2,), steps=2)
    again = capsys.readouterr().out
    assert again.count("has this training run, finished") == 2 and "epoch 1/1" not in again
    comparison.ship("frozen")
    model, _ = models.load_model(comparison.MODEL)
    assert model.output_shape == (None, 6)
    text = comparison.tables()
    for words in ("by session", "seed 0", "other background", "photos per class"):
        assert words in text
    for table in text.split("\n\n"):
        assert len({line.count("|") for line in table.splitlines()}) == 1, table


def test_the_smallest_of_the_best_is_shipped(comparison):
    comparison.MODEL.mkdir()

    def choose(frozen, tuned):
        rows = [
            {"way": way, "seed": 0, "photos": "all", "shift": shift, "accuracy": accuracy}
            for way, accuracies in (("frozen", frozen), ("fine-tuned", tuned))
            for shift, accuracy in zip(comparison.CORRUPTIONS, accuracies, strict=True)
        ]
        pd.DataFrame(rows).to_csv(comparison.MODEL / "results.csv", index=False)
        return comparison.smallest_of_the_best()

    assert choose((0.9, 0.8, 0.9), (0.9, 0.8, 0.9)) == "frozen"
    assert choose((0.9, 0.8, 0.9), (0.92, 0.8, 0.9)) == "fine-tuned"
    assert choose((0.9, 0.8, 0.9), (0.9, 0.9, 0.9)) == "fine-tuned"


def test_no_results_yet_is_one_line(comparison, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["transfer_study.py", "--tables"])
    with pytest.raises(SystemExit) as stop:
        comparison.main()
    errors = capsys.readouterr().err
    assert stop.value.code == 2 and errors.count("\n") == 1 and "no results yet" in errors


def test_the_model_card_quotes_the_records():
    card = (models.MODELS / "signs/README.md").read_text(encoding="utf-8")
    results = pd.read_csv(models.MODELS / "signs/results.csv")
    whole, few = (
        results[part] for part in (results["photos"] == "all", results["photos"] != "all")
    )
    means = 100 * whole.pivot_table("accuracy", "shift", "way")
    assert set(means.index) == set(CORRUPTIONS)
    for name, mean in means.iterrows():
        assert f"| {name} | {mean['fine-tuned']:.1f} | {mean['frozen']:.1f} |" in card
    for photos, accuracy in zip(few["photos"], few["accuracy"], strict=True):
        assert f"| {photos} | {100 * accuracy:.1f} |" in card
    plain = 100 * whole[whole["shift"] == "as they are"].pivot(
        index="seed", columns="way", values="accuracy"
    )
    for way, mean in plain.mean().items():
        assert f"{mean:.1f} ± {plain[way].std():.1f} %" in card, way
    *most, last = plain["fine-tuned"].map("{:.1f}".format)
    assert f"{', '.join(most)} and {last} %" in card
    runs = pd.read_csv(transfer_rates.RESULTS)
    best = 100 * runs[runs["part"] == "validation"].groupby("way")["accuracy"].max()
    tested = runs[runs["part"] == "test"]
    assert len(tested) == len(transfer_rates.WAYS) * len(transfer_rates.TEST_FOLDS)
    right = (tested["accuracy"] * tested["images"]).round().groupby(tested["way"]).sum()
    for way in transfer_rates.WAYS:
        assert f"| {way} | {best[way]:.1f} % | {right[way]:.0f} right |" in card


# --- the real photos, where they are


@pytest.mark.skipif("REAL_SIGNS" not in os.environ, reason="$REAL_SIGNS names no file")
def test_the_real_photos(tmp_path):
    (tmp_path / "sign-language-digits.zip").symlink_to(Path(os.environ["REAL_SIGNS"]).resolve())
    folder = download.sign_digits(tmp_path)
    images = data.load_images(folder, 32, classes=list("012345"))
    sessions = signs.sessions(images.paths)
    assert len(images.paths) == 1237 and images.skipped == []
    assert np.bincount(sessions).tolist() == [126, 133, 144, 330, 180, 228, 96]
    for seed in range(5):
        train, _, test = splits.split_groups(images.labels, images.class_names, sessions, seed=seed)
        assert np.bincount(images.labels[test]).min() >= 29
        assert nearest(images.pixels, train, test)[0].min() > 0.39
