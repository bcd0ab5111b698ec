"""Models that the package used to ship, by the hash that their code files name."""

from typing import NamedTuple


class FormerModel(NamedTuple):
    """What a model was called and the last commit that holds it under audiocodec/assets/."""

    name: str
    commit: str


# A model that is replaced gets a line here, so that whoever kept its codes learns where it is.
FORMER_MODELS: dict[str, FormerModel] = {
    "0a9ff7e90d84cad3": FormerModel("speech_24k", "e8cb2502a665"),
    "15ac0e2d11c1fbc0": FormerModel("speech_24k", "91702894b89b"),
    "b89abd8e3171d9a2": FormerModel("speech_24k", "b4b766d6766d"),
    "8012265414c03364": FormerModel("speech_24k", "130272881195"),
    "9a0af531a10627b8": FormerModel("speech_24k", "2eb951199004"),
    "29574cc92c2bc4a2": FormerModel("speech_24k", "60dd74ab2384"),
}


def where_to_get(model_hash: str) -> str:
    """What else to say of codes by a model that is not at hand: empty if it was never shipped."""
    if model_hash not in FORMER_MODELS:
        return ""
    name, commit = FORMER_MODELS[model_hash]
    return (
        f"; it is a former {name}, to be had from the project's repository by `git archive "
        f"{commit} audiocodec/assets/{name} | tar -x`"
    )
