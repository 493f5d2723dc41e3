"""The speed-up from a second worker: ResNet-50 trained by one and by two workers of one core each.

    python experiments/scaling.py    # on an idle machine with two cores and the command taskset

The workers are processes on this machine, connected without a network: two machines gain less. Two
independent workers show how much of the loss comes from sharing the memory.
"""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from helpers import versions

SIZE, BATCH, STEPS, EPOCHS, CLASSES = 128, 32, 4, 4, 101


def main():
    versions.check()
    from helpers.precision import choose_precision

    precision = choose_precision()
    print(f"{SIZE} px, {BATCH} images per worker and step, {precision}", flush=True)
    one = images_per_second(precision, workers=1)
    print(f"one worker                  {one:6.2f} images/s", flush=True)
    for name, together in (("two, each on its own", False), ("two, training together", True)):
        two = images_per_second(precision, workers=2, together=together)
        print(f"{name:<27} {two:6.2f} images/s, {two / one:.2f} times one", flush=True)


def images_per_second(precision, workers, together=True):
    """Starts the workers, each on its own core; returns the sum of their speeds."""
    free = [socket.create_server(("127.0.0.1", 0)) for _ in range(workers)]
    addresses = [f"127.0.0.1:{server.getsockname()[1]}" for server in free]
    for server in free:
        server.close()
    processes = []
    for core in range(workers):
        task = {"type": "worker", "index": core}
        config = {"cluster": {"worker": addresses}, "task": task} if together else {}
        command = ["taskset", "-c", str(core), sys.executable, __file__, precision]
        environment = {**os.environ, "TF_CONFIG": json.dumps(config)}
        processes.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE))
    outputs = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        sys.exit("A worker failed: see above.")
    return sum(float(output.split()[-1]) for output in outputs)


def work(precision):
    """Trains on noise and prints this worker's images per second in its best epoch."""
    versions.import_tensorflow_quietly()
    import numpy as np

    from helpers import batches, distributed, training
    from helpers.recipe import Recipe

    distributed.strategy()
    global_batch = BATCH * distributed.worker()[1]
    recipe = Recipe(image_size=SIZE, batch_size=global_batch, epochs=EPOCHS, precision=precision)
    side = batches.load_size(SIZE)
    images = np.random.default_rng(0).integers(0, 255, (STEPS * global_batch, side, side, 3))
    labels = np.arange(len(images)) % CLASSES
    model = training.build_model(recipe, CLASSES)
    history = training.fit(model, (images.astype("uint8"), labels), recipe, verbose=0)
    seconds = min(row["seconds"] for row in history[1:])  # the first epoch builds the graph
    print(STEPS * BATCH / seconds)


if __name__ == "__main__":
    work(sys.argv[1]) if len(sys.argv) > 1 else main()
