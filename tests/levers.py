"""What each part of Caltech 101's recipe is worth, one thing changed at a time: `make levers`.

Short trainings, 48 pixels, 20 images a class; scored on 10 others of the 30 training images a
class, so nothing here looks at the test. The scores land in models/caltech101/levers.csv; what is
there already is not done again. Of 1,010 images, one standard error is about 1.2 points.
"""

import argparse
import sys
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from helpers import UserError, data, training  # isort: skip  (first: TensorFlow starts quietly)

import keras
import pandas as pd

SIZE = 48
RECIPE = {
    "learning_rate": 1e-3,
    "label_smoothing": 0.1,
    "mixup": 0.2,
    "mixup_from": 0.0,  # of the epochs; before that, none
    "cutmix": 0.0,
    "randaugment": None,  # or its strength, 0 to 1
    "zero_gamma": True,
    "momentum": None,  # of BatchNorm; None: training.prepare's, here 0.9
    "sgd": None,  # or its learning rate; None: AdamW
}
CHANGES = {
    "none": {},
    "last gamma of each block 1, not 0": {"zero_gamma": False},
    "BatchNorm momentum 0.99, not 0.9": {"momentum": 0.99},
    "SGD 0.1, not AdamW": {"sgd": 0.1},
    "no label smoothing": {"label_smoothing": 0.0},
    "RandAugment 0.1 as well": {"randaugment": 0.1},
    "no mixup in the first half": {"mixup_from": 0.5},
    "CutMix for half of the images": {"cutmix": 0.5},
    "no mixup": {"mixup": 0.0},
    "learning rate 2e-3, not 1e-3": {"learning_rate": 2e-3},
    "learning rate 5e-4, not 1e-3": {"learning_rate": 5e-4},
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=12, help="(%(default)s)")
    parser.add_argument("--changes", nargs="+", choices=CHANGES, default=list(CHANGES))
    args = parser.parse_args()
    try:
        images = data.load_images(data.dataset_folder("caltech101"), data.stored_size(SIZE))
        measure(images, args.changes, args.epochs, training.MODELS / "caltech101/levers.csv")
    except UserError as error:
        sys.exit(print(f"levers.py: {error}", file=sys.stderr) or 2)


def measure(images, changes, epochs, file, per_class=30):
    """Trains once for each of the changes, unless `file` has its row already."""
    rows = pd.read_csv(file).to_dict("records") if Path(file).exists() else []
    done = {(row["change"], row["epochs"]) for row in rows}
    precision = training.choose_precision()
    for change in changes:
        if (change, epochs) not in done:
            score = run(images, epochs, precision, per_class, RECIPE | CHANGES[change])
            rows.append({"change": change, "epochs": epochs, **score, "precision": precision})
            data.write_table(file, pd.DataFrame(rows))
            print(f"{score['accuracy']:.1%}  {change}", flush=True)


def run(images, epochs, precision, per_class, how):
    """One short training; its accuracy on the third of the images that is kept for validation."""
    keras.utils.clear_session()  # gives memory back
    keras.utils.set_random_seed(0)
    labels, class_names = images.labels, images.class_names
    learn, validate, _ = data.split(labels, class_names, per_class, per_class // 3)
    steps = len(learn) // 32
    model = training.new_network(SIZE, len(class_names), False, precision)
    training.prepare(model, steps, fresh=how["zero_gamma"])
    for layer in model.layers:
        if how["momentum"] and isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = how["momentum"]
    training.compile_model(model, steps, epochs, how["learning_rate"], 0.05, how["label_smoothing"])
    if how["sgd"]:
        use_sgd(model, training.learning_rate_schedule(how["sgd"], steps, epochs))
    quiet = dict(verbose=0, shuffle=False)  # training_batches has shuffled
    begin = round(how["mixup_from"] * epochs)
    with mock.patch.object(data, "augment", randomised(data.augment, how["randaugment"])):
        for first, last, mixup in ((0, begin, 0.0), (begin, epochs, how["mixup"])):
            if first < last:
                batches, _ = data.training_batches(
                    images.pixels[learn],
                    labels[learn],
                    len(class_names),
                    size=SIZE,
                    batch_size=32,
                    epochs=last,
                    first_epoch=first,
                    mixup=mixup,
                    cutmix=how["cutmix"],
                )
                model.fit(batches, epochs=last, initial_epoch=first, steps_per_epoch=steps, **quiet)
    pixels, _ = data.read_images(images.paths[validate], SIZE)
    score = training.scores(labels[validate], training.predict_probabilities(model, pixels))
    return {"images": score["images"], "accuracy": round(score["accuracy"], 4)}


def use_sgd(model, schedule):
    """Another optimizer. Keras takes the decay off the weight itself: with a momentum of 0.9,
    5e-3 is about what 5e-4 is as a part of the loss (He et al. 2015 had 1e-4 for ImageNet)."""
    optimizer = keras.optimizers.SGD(schedule, momentum=0.9, nesterov=True, weight_decay=5e-3)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    model.compile(optimizer, model.loss, metrics=["accuracy"], jit_compile=False)


def randomised(augment, strength):
    """`augment` with Keras's RandAugment (Cubuk et al. 2019) before it, if there is a strength."""
    if strength is None:
        return augment
    layer = keras.layers.RandAugment(factor=strength, seed=0)
    return lambda images, *rest: augment(layer(images), *rest)


if __name__ == "__main__":
    main()
