"""Pages that need no network and no file beside them: pictures and sounds are data URIs."""

from pathlib import Path
from typing import Any

from audiocodec.evaluation import figures
from audiocodec.extras import extra
from audiocodec.files import atomic_path

with extra("web"):
    import jinja2


def write_page(template: str, target: Path, **values: Any) -> int:
    """Fill in a template of the package's assets and write it; returns the page's bytes.

    Raises:
        CodecError: the page cannot be written.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("audiocodec", "assets"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["uri"] = figures.data_uri
    page = environment.get_template(template).render(**values)
    with atomic_path(target) as temporary:
        temporary.write_text(page, encoding="utf-8", errors="backslashreplace")
        return temporary.stat().st_size
