"""Finding the processes of a Ray cluster that was started below a process of ours."""

from pathlib import Path


def workers_below(root: int, title: str = "ray::") -> list[int]:
    """Ids of the processes below `root` that run Ray's workers and have `title` in their own.

    Agents are no workers: a node ends with its own.
    """
    parents, titles = {}, {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            stat = (folder / "stat").read_text()
            titles[int(folder.name)] = (folder / "cmdline").read_bytes().decode("utf-8", "replace")
        except OSError:  # it has ended
            continue
        parents[int(folder.name)] = int(stat.rpartition(")")[2].split()[1])

    def is_below(number: int | None) -> bool:
        while number is not None and number != root:
            number = parents.get(number)
        return number == root

    fitting = (n for n, text in titles.items() if _is_worker(text) and title in text)
    return [number for number in fitting if number in parents and is_below(number)]


def _is_worker(title: str) -> bool:
    return title.startswith("ray::") and "Agent" not in title
