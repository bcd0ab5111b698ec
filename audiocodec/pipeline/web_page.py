"""A folder of plain files that turn speech into codes and back in the visitor's browser."""

import json
import shutil
from pathlib import Path
from typing import Any

from audiocodec._version import __version__
from audiocodec.errors import CodecError, ModelError
from audiocodec.extras import extra
from audiocodec.files import atomic_folder
from audiocodec.models.folders import ASSETS, CARD_FILE, DECODER_GRAPH, ENCODER_GRAPH, model_folder
from audiocodec.pipeline import web_runtime
from audiocodec.runtime.graph import Graph

FACTS_FILE = "page.json"  # what the scripts know of the model; marks a folder as a page


def write_web_page(model: str | Path, target: Path, runtime_files: Path | None = None) -> int:
    """Write the page of a model; returns its bytes. A page that is there already is replaced.

    Args:
        model: a name or a folder; it must have graphs.
        runtime_files: a folder with onnxruntime-web's files, instead of the npm registry.

    Raises:
        ModelError: the model has no graphs, or cannot stream.
        CodecError: the folder holds something else, or the runtime cannot be had.
    """
    if target.exists() and not (target / FACTS_FILE).is_file():
        raise CodecError(f"{target}: exists and is not a page; give the name of a new folder")
    folder = model_folder(model)
    facts = page_facts(folder)
    html = _html(facts)
    with atomic_folder(target) as temporary:
        for name in ("model", "onnxruntime"):
            (temporary / name).mkdir()
        for file in (facts["encoder"], facts["decoder"], *facts["external_files"]):
            shutil.copyfile(folder / file, temporary / "model" / file)
        if (folder / CARD_FILE).is_file():
            shutil.copyfile(folder / CARD_FILE, temporary / "model" / CARD_FILE)
        web_runtime.copy_runtime(temporary / "onnxruntime", runtime_files)
        for script in (ASSETS / "page").glob("*.js"):
            shutil.copyfile(script, temporary / script.name)
        (temporary / FACTS_FILE).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        (temporary / "index.html").write_text(html, encoding="utf-8")
        return sum(path.stat().st_size for path in temporary.rglob("*") if path.is_file())


def page_facts(folder: Path) -> dict[str, Any]:
    """What the scripts know of a model, from the metadata of its graphs.

    Raises:
        ModelError: it has no graphs, damaged ones, or cannot stream.
    """
    for name in (ENCODER_GRAPH, DECODER_GRAPH):
        if not (folder / name).is_file():
            raise ModelError(
                f"{folder}: has no {name}; `codec model export {folder} OUT --onnx` makes it"
            )
    encoder, decoder = (Graph(folder / name).metadata for name in (ENCODER_GRAPH, DECODER_GRAPH))
    if not encoder["state_size"] or not decoder["state_size"]:
        raise ModelError(f"{folder}: needs whole recordings; a page takes a model that can stream")
    return {
        "model": encoder["name"],
        "model_hash": encoder["weight_hash"],
        "sample_rate": int(encoder["sample_rate"]),
        "hop_length": int(encoder["hop_length"]),
        "codebook_sizes": json.loads(encoder["codebook_sizes"]),
        "delay": int(encoder["delay"]),
        "encoder": ENCODER_GRAPH,
        "encoder_state": [encoder["state_dtype"], int(encoder["state_size"])],
        "decoder": DECODER_GRAPH,
        "decoder_state": [decoder["state_dtype"], int(decoder["state_size"])],
        "external_files": sorted({*json.loads(encoder["files"]), *json.loads(decoder["files"])}),
    }


def _html(facts: dict[str, Any]) -> str:
    with extra("web"):
        import jinja2
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("audiocodec", "assets"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("page/index.html.jinja")
    return template.render(facts=facts, version=__version__, runtime=web_runtime.VERSION)
