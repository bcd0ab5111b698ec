"""Tables `kind -> (config class, class)`: what a YAML `kind:` may name."""

from collections.abc import Iterator, Mapping
from typing import Any

from audiocodec.errors import ConfigError

Row = tuple[type[Any], type[Any]]

# Kinds by their former names, which configurations and model folders written before may have.
RENAMED = {"causal": "convnext", "reference": "simvq_paper"}


def current_kind(kind: str) -> str:
    """The present name of a kind that may have been renamed."""
    return RENAMED.get(kind, kind)


class Registry(Mapping[str, Row]):
    """A literal table of the implementations of one role, e.g. all quantizers."""

    def __init__(self, role: str, rows: dict[str, Row]) -> None:
        self.role = role
        self._rows = rows

    def __getitem__(self, kind: str) -> Row:
        kind = kind if kind in self._rows else current_kind(kind)
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
        raise ConfigError(f"{type(config).__name__} is no {self.role} configuration")

    def build(self, config: object, *args: Any, **kwargs: Any) -> Any:
        """An instance of the class that belongs to `config`."""
        return self[self.kind_of(config)][1](config, *args, **kwargs)
