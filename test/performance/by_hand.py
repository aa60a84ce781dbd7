"""The models as anyone would write them by hand: those of the benchmarks."""

from pathlib import Path
from runpy import run_path

from pydantic import BaseModel

# Loaded by path: if the root of the project were importable, tests would find its package before the installed one.
_MODELS = run_path(str(Path(__file__).parents[2] / "benchmarks" / "_plain_models.py"))
PlainImage: type[BaseModel] = _MODELS["Image"]
PlainPage: type[BaseModel] = _MODELS["ImageResultsPage"]
