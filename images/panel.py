"""A panel of five controls for notebook 01: what they change, drawn anew after each change."""

import os

import matplotlib.pyplot as plt
import numpy as np

from images.measurements import finish
from images.plots import BLUE, GREEN, GREY, ORANGE, show

NO_WIDGETS = (
    "The panel runs in JupyterLab and in Colab, with the package ipywidgets. The figure below "
    "compares the same settings."
)


def panel(measure):
    """Controls above a figure, which a change of a control draws anew. Returns the widget.

    measure(depth, initializer, batch_norm, residual, rate) -> (table, errors), as for
    draw_settings. Where no one can move a control, the panel is one line of text.
    """
    try:
        import ipywidgets
    except ImportError:
        print(NO_WIDGETS)
        return None
    if "PYTEST_CURRENT_TEST" in os.environ:  # set by tests, and while outputs are stored
        print(NO_WIDGETS)
        return None
    chosen = controls()
    figure = ipywidgets.interactive_output(redraw(measure), chosen)
    return ipywidgets.VBox([*chosen.values(), figure])


def controls():
    """The five controls, by the argument of `measure` that they set."""
    import ipywidgets

    wide = {"style": {"description_width": "110px"}, "layout": {"width": "430px"}}
    slide = {"continuous_update": False, **wide}
    weights = [("Glorot (Keras's default)", "glorot_uniform"), ("He (for ReLU)", "he_normal")]
    slider, rates = ipywidgets.SelectionSlider, (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
    return {
        "depth": slider(options=(10, 20, 30, 40, 50), value=20, description="layers", **slide),
        "initializer": ipywidgets.Dropdown(options=weights, description="initial weights", **wide),
        "batch_norm": ipywidgets.Checkbox(value=True, description="BatchNorm", **wide),
        "residual": ipywidgets.Checkbox(value=False, description="shortcut", **wide),
        "rate": slider(options=rates, value=0.1, description="learning rate", **slide),
    }


def redraw(measure):
    """The function that the controls call: it measures and shows a figure."""

    def draw(depth, initializer, batch_norm, residual, rate):
        table, errors = measure(depth, initializer, batch_norm, residual, rate)
        network = "residual" if residual else "plain"
        alt = f"Gradients and training error of a {network} network of {depth} layers. "
        alt += f"The last training error is {errors[-1]:.2f}."
        show(draw_settings({f"{network}, {depth} layers": (table, errors)}), alt)

    return draw


def draw_settings(results, chance=7 / 8):
    """Gradients above, training error below, a column per setting: {title: (table, errors), ...}.

    table: a DataFrame with the columns layer, activation and kernel (norms of the gradient);
    errors: the training error after each epoch.
    """
    columns = len(results)
    size = (max(4.5, 2.1 * columns), 4.7)
    figure, panels = plt.subplots(2, columns, figsize=size, sharey="row", squeeze=False)
    figure.set_layout_engine("constrained")
    for (title, (table, errors)), (above, below) in zip(results.items(), panels.T, strict=True):
        above.plot(table["layer"], table["activation"], color=GREEN, lw=2, label="of outputs")
        above.plot(table["layer"], table["kernel"], "--", color=ORANGE, lw=2, label="of kernels")
        above.set(yscale="log", xlabel="layer")
        above.xaxis.get_major_locator().set_params(integer=True)
        above.set_title(title, fontsize=11, weight="bold")
        below.axhline(chance, color=GREY, linewidth=1.2, linestyle=":")
        below.plot(np.arange(1, len(errors) + 1), errors, "o-", color=BLUE, ms=4, lw=2)
        below.set(ylim=(-0.02, 1), xlabel="epoch")
        finish(above)
        finish(below)
    panels[0, 0].set_ylabel("gradient's norm")
    panels[0, 0].legend(frameon=False, fontsize=9)
    panels[1, 0].set_ylabel("training error")
    return figure
