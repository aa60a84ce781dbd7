"""The base class of `Configuration`: checks, masks, freezes, copies and pickles the settings that it declares."""

import inspect
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final, NoReturn, Self, dataclass_transform

from typing_extensions import override

from oxide._identity.attribute import Setting, setting
from oxide._identity.names import no_such_setting
from oxide._identity.secrets import MASK, Secret, masked
from oxide._traceback import ends_here
from oxide.exceptions import ApiAttributeError, ApiTypeError, ConfigurationError

ARGUMENT: Final = "argument"
DEFAULT: Final = "default"
DROPPED: Final = "dropped, since "

_MAX_SHOWN: Final = 200  # characters or bytes of a value in a report


@dataclass_transform(kw_only_default=True, field_specifiers=(setting,))
class HasSettings:
    """A base for a class that declares settings; its constructor takes all of them."""

    # Secrets are kept apart, so that `vars` shows none of them.
    __slots__ = ("__dict__", "__weakref__", "_frozen", "_secrets", "_sources")
    _settings: ClassVar[Mapping[str, Setting[Any, Any]]]
    __signature__: ClassVar[inspect.Signature]  # for `help()`, and for editors
    # None until a client is made; then what it found, which no longer depends on the environment.
    _frozen: Mapping[str, Any] | None
    _secrets: dict[str, Any]
    _sources: dict[str, str]

    @override
    def __init_subclass__(cls) -> None:
        found = {name: one for base in reversed(cls.__mro__) for name, one in vars(base).items()}
        cls._settings = MappingProxyType(
            {name: one for name, one in found.items() if isinstance(one, Setting)}
        )
        cls.__signature__ = inspect.Signature([one.parameter() for one in cls._settings.values()])

    def __init__(self, *positional: Any, **given: Any) -> None:
        # Done first, so that no traceback frame holds a plain secret.
        names = [name for name, one in self._settings.items() if not one.kw_only]
        positional = tuple(
            self._settings[names[number]].mask(value) if number < len(names) else masked(value)
            for number, value in enumerate(positional)
        )
        self._mask(given)
        with ends_here:
            if len(positional) > len(names):
                raise ApiTypeError(
                    f"{type(self).__name__} takes only {', '.join(names)} by position, and the others by name"
                )
            for name, value in zip(names, positional, strict=False):
                if name in given:
                    raise ApiTypeError(f"{type(self).__name__}: {name} is given twice")
                given[name] = value
            for name in given:
                if name not in self._settings:
                    raise ApiTypeError(no_such_setting(name, self._settings))
            self._set_state(secrets={}, sources={})
            for name, one in self._settings.items():
                self._keep(one, given.get(name, one.default), ARGUMENT if name in given else DEFAULT)
            self._check()

    # Hidden from type checkers, which would otherwise accept any name.
    if not TYPE_CHECKING:

        def __getattr__(self, name):
            raise ApiAttributeError(
                f"{name} is not set yet" if name in self._settings else no_such_setting(name, self._settings),
                name=name,
                obj=self,
            )

        def __setattr__(self, name, value):
            one = self._settings.get(name)
            value = masked(value) if one is None else one.mask(value)
            with ends_here:
                if one is None:
                    raise ApiAttributeError(no_such_setting(name, self._settings))
                super().__setattr__(name, value)

    @override
    def __delattr__(self, name: str) -> NoReturn:
        raise ApiAttributeError(f"{name}: a setting cannot be deleted")

    @classmethod
    def _mask(cls, given: Any) -> None:
        """Mask in place what may be secret in a dict of settings: also under an unknown name, which may be misspelled."""
        for name, value in given.items():
            given[name] = cls._settings[name].mask(value) if name in cls._settings else masked(value)

    def _set_state(self, secrets: dict[str, Any], sources: dict[str, str]) -> None:
        for name, value in {"_frozen": None, "_secrets": secrets, "_sources": sources}.items():
            object.__setattr__(self, name, value)

    def _keep(self, one: Setting[Any, Any], value: Any, source: str) -> None:
        kept = self._secrets if one.secret else self.__dict__
        kept[one.name] = one.checked(value)
        self._sources[one.name] = DEFAULT if value is None and one.none_is_default else source
        self._changed(one.name)

    def _changed(self, name: str) -> None:
        """Do what a new value of a setting asks for."""

    def _check(self) -> None:
        """Raise `ConfigurationError` if the settings do not go together."""

    def _assign(self, one: Setting[Any, Any], value: Any) -> None:
        if self._frozen is not None and not one.live:
            raise ConfigurationError(
                f"{one.name} cannot change once a client is made: change a copy, and make a new client from it"
            )
        before, was_given = self._kept(one.name), self._sources[one.name] != DEFAULT
        self._keep(one, value, ARGUMENT)
        if was_given and self._kept(one.name) != before:
            for other in self._settings.values():
                if other.belongs_to == one.name and self._secrets[other.name] is not None:
                    self._keep(other, None, f"{DROPPED}{one.name} was changed after it was set")

    def _kept(self, name: str) -> Any:
        """Return the value of a setting; a secret one as a `Secret`, a `SecretSource` or `Headers`, or None."""
        kept = self._secrets if self._settings[name].secret else self.__dict__
        try:
            return kept[name]
        except KeyError:
            raise AttributeError(name) from None

    def _source(self, name: str) -> str:
        """Return where the value of a setting came from: `default`, `argument`, or a text that names the place."""
        return self._sources[name]

    def _for_report(self, name: str) -> str:
        """Return the value of a setting as reports show it."""
        value = self._kept(name)
        if self._settings[name].secret and value is not None:
            return MASK if value else "''"
        if isinstance(value, (str, bytes)) and len(value) > _MAX_SHOWN:
            return f"<{len(value)} {'bytes' if isinstance(value, bytes) else 'characters'}>"
        if isinstance(value, Mapping):
            return repr(dict(value))
        # The `repr` of a partial or a bound method would show its arguments or object too.
        return f"<{getattr(value, '__qualname__', type(value).__name__)}>" if callable(value) else repr(value)

    @override
    def __repr__(self) -> str:
        # A debugger may call this while the constructor is running.
        sources = getattr(self, "_sources", {})
        positional = [name for name, one in self._settings.items() if not one.kw_only]
        shown = [name for name in sources if name in positional or sources[name] != DEFAULT]
        return f"{type(self).__name__}({', '.join(f'{name}={self._for_report(name)}' for name in shown)})"

    def __copy__(self) -> Self:
        clone = object.__new__(type(self))
        clone._set_state(dict(self._secrets), dict(self._sources))
        clone.__dict__.update(self.__dict__)
        return clone

    # Every value is immutable or, like a callable or an SSLContext, meant to be shared.
    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self.__copy__()

    @override
    def __getstate__(self) -> dict[str, Any]:
        if any(self._secrets.values()):
            raise ApiTypeError(
                f"a {type(self).__name__} that holds a secret cannot be pickled: build it in the worker that uses it"
            )
        plain = {n: dict(v) if isinstance(v, MappingProxyType) else v for n, v in self.__dict__.items()}
        empty = {name: "" if isinstance(value, Secret) else None for name, value in self._secrets.items()}
        return {**plain, "_secrets": empty, "_sources": self._sources}

    def __setstate__(self, state: dict[str, Any]) -> None:
        secrets = {name: masked(value) for name, value in state.pop("_secrets").items()}
        self._set_state(secrets, state.pop("_sources"))
        self.__dict__.update({n: MappingProxyType(v) if isinstance(v, dict) else v for n, v in state.items()})
