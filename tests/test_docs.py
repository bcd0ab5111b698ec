"""The documentation is true: pages are what their data say, and links lead somewhere."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import audiocodec

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("egs/**/*.md")])
WRITERS = {
    "benchmarks.md": ["benchmarks/run.py", "--page"],
    "ablation.md": ["egs/speech/local/ablation_page.py", "docs/ablation.json"],
    "ablation_first.md": ["egs/speech/local/ablation_page.py", "docs/ablation_first.json"],
    "scale.md": ["benchmarks/scale.py", "page", "docs/benchmarks", "docs/scale.md"],
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_page_of_figures_is_what_its_writer_makes_of_the_json_beside_it(name):
    page = ROOT / "docs" / name
    text = page.read_text(encoding="utf-8")
    subprocess.run([sys.executable, *WRITERS[name]], cwd=ROOT, check=True)
    written = page.read_text(encoding="utf-8")
    page.write_text(text, encoding="utf-8")
    assert written == text


def test_published_figures_name_no_folder_of_the_machine_they_were_taken_on():
    for path in ROOT.glob("docs/**/*.json"):
        assert not re.search(r'"/(?!")', path.read_text(encoding="utf-8")), path


def links(text: str) -> Iterator[str]:
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    for target in re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:", target):
            yield target


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(page):
    for link in links(page.read_text(encoding="utf-8")):
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), f"{page}: {link}"
        assert not anchor or anchor in anchors(target), f"{page}: {link}"


def test_every_public_name_is_in_the_api_reference():
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    named = re.findall(r"^::: audiocodec\.(\w+)$", text, re.MULTILINE)
    assert sorted(named) == sorted(set(audiocodec.__all__) - {"__version__"})
