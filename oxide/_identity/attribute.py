"""The descriptor that declares one setting of `Configuration`: its check, default and flags."""

import ast
import inspect
import textwrap
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Generic, Protocol, Self, TypeVar, get_args, get_origin, overload

from typing_extensions import override

from oxide._identity.secrets import Headers, Secret, SecretSource, masked, masked_if_suspect

Read = TypeVar("Read")
Taken = TypeVar("Taken")


class Owner(Protocol):
    """What a setting needs of the object that it is a setting of."""

    def _kept(self, name: str) -> Any: ...
    def _assign(self, one: "Setting[Any, Any]", value: Any) -> None: ...


class Setting(Generic[Read, Taken]):
    # What a program reads, and what it may set. A comment, since each setting has a `__doc__` of its own.

    def __init__(
        self,
        check: Callable[[str, Any], Any],
        *,
        default: Any,
        secret: bool = False,
        live: bool = False,
        kw_only: bool = True,
        none_is_default: bool = False,
        belongs_to: str | None = None,
        mask: Callable[[Any], Any] = masked_if_suspect,
    ) -> None:
        """Declare a setting in a class of settings.

        Args:
            check: gets name and value, and returns the value as it is kept, or raises `ConfigurationError`. None
                passes unchecked where it is the default.
            default: what it is if it is not given.
            secret: whether it is masked wherever it is shown.
            live: whether it may change once a client is made.
            kw_only: False if it may be given by position.
            none_is_default: whether None means the default.
            belongs_to: another setting; when that changes, this one, a secret, is dropped until it is set again.
            mask: masks a value that is not secret by itself, but may be one given in the wrong place.
        """
        self._check = check
        self.default = default
        self.secret = secret
        self.live = live
        self.kw_only = kw_only
        self.none_is_default = none_is_default
        self.belongs_to = belongs_to
        self.mask = masked if secret else mask

    def __set_name__(self, owner: type, name: str) -> None:
        self.name, self._owner = name, owner

    @overload
    def __get__(self, owner: None, cls: type) -> Self: ...
    @overload
    def __get__(self, owner: Owner, cls: type) -> Read: ...
    def __get__(self, owner: Owner | None, cls: type) -> Any:
        """Return the value; of a secret, what was set."""
        if owner is None:
            return self
        kept = owner._kept(self.name)
        if isinstance(kept, (Secret, SecretSource)):
            return kept.reveal()
        # Not `isinstance`: for an abstract class that is slow, and every call reads several settings.
        return MappingProxyType(kept.revealed()) if type(kept) is Headers else kept

    def __set__(self, owner: Owner, value: Taken) -> None:
        """Check and keep a value, which is masked already."""
        owner._assign(self, value)

    @override
    def __repr__(self) -> str:
        return f"<setting {self.name}, default {self.default!r}>"

    # For `help()`, from the text below the setting, where editors find it too.
    @property
    @override
    def __doc__(self) -> str | None:  # type: ignore[override]  # of each object, not of the class
        return _texts_below(self._owner).get(self.name)

    def checked(self, value: Any) -> Any:
        """Return a masked value as it is kept; raise `ConfigurationError` if it cannot be used."""
        if value is None and self.default is None:
            return None
        return self._check(self.name, self.default if value is None and self.none_is_default else value)

    def parameter(self) -> inspect.Parameter:
        """Return the setting as a parameter of a constructor, with the type that it takes."""
        annotation = inspect.get_annotations(self._owner)[self.name]
        origin: Any = get_origin(annotation)
        return inspect.Parameter(
            self.name,
            inspect.Parameter.KEYWORD_ONLY if self.kw_only else inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=self.default,
            annotation=get_args(annotation)[1] if origin is Setting else annotation,
        )


def setting(check: Callable[[str, Any], Any], *, default: Any, **flags: Any) -> Any:
    """Declare a setting, as `Setting` does, under the type that it reads and takes; a text below it says what it is for."""
    return Setting(check, default=default, **flags)


@cache
def _texts_below(owner: type) -> dict[str, str]:
    """Return the text below each setting of a class, from the source; where that is missing, none."""
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(owner))).body[0].body  # type: ignore[attr-defined]  # a class
    except (OSError, TypeError):  # as of a class without a file
        return {}
    found: dict[str, str] = {}
    for pair in pairwise(body):
        match pair:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = inspect.cleandoc(text)
    return found
