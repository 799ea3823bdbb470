"""Answers as a notebook shows them. Open it as one (Jupyter, VS Code), or make the same page without any:

python -m examples.notebook_page notebook.html    # in the project's folder
"""

# %%
import tempfile
from pathlib import Path

from examples.small import cnn
from qnnsolve import ask, load_run, search_config, solve
from qnnsolve.questions import Opened, alternatives, places, why, why_not

model, inputs, samples = cnn()
run = Path(tempfile.mkdtemp()) / "cnn.qnn"

# %%
solve(model, inputs, soc="SM8350", precision="16a16w", save=run)

# %%
opened = Opened.of(load_run(run))
(place,) = places(opened, "linear.weight")
why(opened, place)[0]

# %%
why_not(opened, place, "s16/ch0")

# %%
alternatives(opened, place.node)

# %%
ask(run, 'node(N, "Conv2d"), chosen(N, "out", E), bits(E, B)')

# %%
search_config(model, inputs, soc="SM8750", candidates="8a8w,16a8w", points=3, calibration=samples, directions=2)
