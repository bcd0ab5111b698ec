"""Tables `kind -> (config class, class)`: what a YAML `kind:` may name."""

import dataclasses
from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import Any

from audiocodec.errors import ConfigError, one_line

Row = tuple[type[Any], type[Any]]

# Kinds by their former names, which configurations and model folders written before may have.
RENAMED = {"causal": "convnext", "reference": "simvq_paper"}


def current_kind(kind: str) -> str:
    """The present name of a kind that may have been renamed."""
    return RENAMED.get(kind, kind)


class Registry(Mapping[str, Row]):
    """The implementations of one role, e.g. all quantizers: `kind -> (config class, class)`.

    Packages of others add theirs by `register`, or by entry points of the group
    `audiocodec.<role>s` (e.g. `audiocodec.quantizers`), each a kind that names such a pair. They
    are looked for when a kind is asked for that is not in the table.
    """

    def __init__(self, role: str, rows: dict[str, Row]) -> None:
        self.role = role
        self._rows = rows
        self._entry_points_loaded = False

    def register(self, kind: str, config_class: type[Any], implementation: type[Any]) -> None:
        """Add a kind, which configurations then may name.

        Args:
            kind: its name in `kind:`.
            config_class: a frozen dataclass of its options, with a default for each.
            implementation: called as the others of the role: quantizers and encoders take
                (config, latent_dim), decoders (config, latent_dim, hop_length).

        Raises:
            ConfigError: the name stands for another class, or the options are not a dataclass.

        >>> from dataclasses import dataclass
        >>> from audiocodec import QUANTIZERS, CodecConfig, SimVQ, SimVQConfig
        >>> @dataclass(frozen=True)
        ... class MyConfig(SimVQConfig):
        ...     sharpness: float = 2.0
        >>> class MyQuantizer(SimVQ):
        ...     pass
        >>> QUANTIZERS.register("mine", MyConfig, MyQuantizer)
        >>> CodecConfig(quantizer=MyConfig(codebook_size=64)).quantizer.sharpness
        2.0
        """
        if self._rows.get(kind, (config_class, implementation)) != (config_class, implementation):
            raise ConfigError(f"{self.role} kind {kind!r} is taken; choose another name")
        if not (isinstance(config_class, type) and dataclasses.is_dataclass(config_class)):
            raise ConfigError(f"{self.role} kind {kind!r}: its options must be a dataclass")
        self._rows[kind] = (config_class, implementation)

    def _load_entry_points(self) -> None:
        self._entry_points_loaded = True
        for entry_point in metadata.entry_points(group=f"audiocodec.{self.role}s"):
            try:
                config_class, implementation = entry_point.load()
            except (ImportError, AttributeError, TypeError, ValueError) as error:
                raise ConfigError(
                    f"{self.role} kind {entry_point.name!r}: {entry_point.value} is not a pair of "
                    f"a config class and a class: {one_line(error)}"
                ) from None
            self.register(entry_point.name, config_class, implementation)

    def __getitem__(self, kind: str) -> Row:
        kind = kind if kind in self._rows else current_kind(kind)
        if kind not in self._rows and not self._entry_points_loaded:
            self._load_entry_points()
        if kind not in self._rows:
            raise ConfigError(
                f"unknown {self.role} kind {kind!r}; known kinds: {', '.join(self._rows)}"
            )
        return self._rows[kind]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def kind_of(self, config: object) -> str:
        """The name under which the class of `config` stands in the table."""
        for kind, (config_class, _) in self._rows.items():
            if type(config) is config_class:
                return kind
        raise ConfigError(f"{type(config).__name__} is not a registered {self.role} configuration")

    def build(self, config: object, *args: Any, **kwargs: Any) -> Any:
        """An instance of the class that belongs to `config`."""
        return self[self.kind_of(config)][1](config, *args, **kwargs)
