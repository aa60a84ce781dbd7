"""What an import loads, each time in a fresh interpreter."""

import json
import subprocess
import sys

# Modules that a program needs only when it makes a client.
HEAVY = {"http.client", "pydantic", "pydantic_core", "ssl", "urllib3"}


def loaded_by(program: str) -> set[str]:
    """Return the modules that a program loads on top of those of the interpreter and of `typing`."""
    measured = (
        "import json, sys, typing, importlib; before = set(sys.modules)\n"
        f"{program}\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    return set(json.loads(subprocess.check_output([sys.executable, "-c", measured], text=True)))


def test_importing_the_package_loads_hardly_any_module() -> None:
    """`import oxide` loads itself, and of the standard library no more than `typing` and `importlib` do."""
    assert loaded_by("import oxide") == {"oxide", "oxide._lazy", "oxide._version"}


def test_the_first_name_loads_the_client_in_one_step() -> None:
    """Whichever name is used first, everything of the client is loaded then."""
    all_of_it = loaded_by("import oxide\nfor name in dir(oxide): getattr(oxide, name)")
    assert all_of_it >= {
        "oxide._transport.transport",
        "oxide.api.images_api",
        "oxide.rest",
        "pydantic",
        "urllib3",
    }
    for first in ("oxide.ApiException", "oxide.models.Image", "oxide.Configuration"):
        assert {name for name in all_of_it if name.startswith("oxide")} <= loaded_by(f"import oxide\n{first}")


def test_importing_a_model_builds_no_validator() -> None:
    """A model builds its validator when it is first used."""
    loaded_by(
        "import oxide\n"
        "models = [oxide.Error, oxide.Image, oxide.ImageCreate, oxide.ImageResultsPage, oxide.NameOrId]\n"
        "assert not any(model.__pydantic_complete__ for model in models)"
    )


def test_the_client_never_loads_the_simulator() -> None:
    """Neither touching every public name nor a call loads `oxide.testing` or what it needs."""
    loaded = loaded_by(
        "import contextlib, oxide\n"
        "for name in oxide.__all__: getattr(oxide, name)\n"
        "configuration = oxide.Configuration('http://127.0.0.1:1', max_retries=0)\n"
        "with oxide.ApiClient(configuration) as client, contextlib.suppress(oxide.ApiConnectionError):\n"
        "    oxide.ImagesApi(client).image_list()"
    )
    assert loaded >= HEAVY
    assert not {name for name in loaded if name.startswith(("oxide.testing", "h11", "trustme", "sqlite3"))}
