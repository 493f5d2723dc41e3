"""At which learning rates small plain and residual networks train: `learning_rates.csv`.

    python experiments/learning_rates.py    # about 10 minutes; resumes a stopped sweep

The networks of notebook 01 (`small_net`, with BatchNorm) on its 256 synthetic pictures: SGD,
batches of 32, 40 epochs at a constant learning rate. The error is that on the training pictures.
"""

import sys
from itertools import product
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import keras
import numpy as np

from experiments.gradients import RESULTS, drawn_pictures, shuffled_batches
from experiments.tables import add_rows, missing
from images.gradients import small_net

DEPTHS = (10, 30)
RATES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
EPOCHS = 40


def main():
    images, labels = drawn_pictures(32)
    sweep(images, labels, RESULTS / "learning_rates.csv")


def sweep(images, labels, file, depths=DEPTHS, rates=RATES, epochs=EPOCHS, seeds=3):
    """Trains each network at each rate, unless its rows are in `file`."""
    runs = product(range(seeds), depths, ("plain", "residual"))
    wanted = [dict(network=network, depth=depth, seed=seed) for seed, depth, network in runs]
    for run in missing(file, wanted):
        network, depth, seed = run.values()
        rows = []
        keras.utils.clear_session()
        keras.utils.set_random_seed(seed)
        model = small_net(depth, network == "residual")
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(), loss, metrics=["accuracy"], jit_compile=False)
        for rate in rates:
            errors = training_errors(model, images, labels, rate, epochs)
            named = run | {"learning_rate": rate}
            rows += [named | {"epoch": epoch, "error": error} for epoch, error in errors.items()]
        add_rows(file, rows)
        print(network, depth, seed, flush=True)


def training_errors(model, images, labels, rate, epochs):
    """Trains from new random weights: {epoch: mean training error of the last five epochs}."""
    model.set_weights(keras.models.clone_model(model).get_weights())
    model.optimizer.learning_rate = rate
    batches = shuffled_batches(images, labels)
    history = model.fit(batches, epochs=epochs, shuffle=False, verbose=0).history
    errors = 1 - np.array(history["accuracy"])
    return {e: round(float(errors[e - 5 : e].mean()), 4) for e in range(5, epochs + 1, 5)}


if __name__ == "__main__":
    main()
