"""`%%convo` in notebooks that a program runs: nbclient, papermill, nbval."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

import convoscope_jupyter as cv

if TYPE_CHECKING:
    from nbformat import NotebookNode

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "notebooks" / "magic.ipynb"
SANITIZE = ROOT / "tests" / "fixtures" / "nbval.cfg"


def notebook_of(*sources: str) -> NotebookNode:
    cells = [nbformat.v4.new_code_cell(source) for source in ("%load_ext convoscope_jupyter", *sources)]
    notebook: NotebookNode = nbformat.v4.new_notebook(cells=cells)
    return notebook


def run(notebook: NotebookNode) -> None:
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()


def outputs_of(notebook: NotebookNode) -> list[list[dict[str, Any]]]:
    return [[dict(output) for output in cell.outputs] for cell in notebook.cells if cell.cell_type == "code"]


def as_it_is_stored(notebook: NotebookNode) -> str:
    """A notebook's file, without what its run says of this machine."""
    notebook.metadata["language_info"] = {"name": "python"}
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    text: str = nbformat.writes(notebook)
    return text.replace(cv.open_store().place, "~/.local/share/convoscope/convoscope.sqlite3") + "\n"


def test_the_notebook_runs_from_top_to_bottom_as_it_is_written_down() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    run(notebook)
    text = as_it_is_stored(notebook)
    if os.environ.get("CONVOSCOPE_WRITE_NOTEBOOKS"):
        NOTEBOOK.write_text(text, encoding="utf-8")

    seconds = re.compile(r"(?:under )?\d+\.\d s|\d+ s:")
    assert seconds.sub("…", NOTEBOOK.read_text(encoding="utf-8")) == seconds.sub("…", text)


@pytest.mark.parametrize("path", sorted(NOTEBOOK.parent.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_stored_notebook_names_no_folder_of_a_machine(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    without_urls = re.sub(r"https?://[\w./:-]+", "", text)
    here = (ROOT, Path(sys.prefix), Path(tempfile.gettempdir()), Path.home())

    assert [] == [str(place) for place in here if f"{place}/" in text]
    assert [] == re.findall(r"/(?:home|root|tmp|Users)/|\b[A-Z]:\\\\", text)
    # A slash that no word, dot, dash or tilde stands before begins a path.
    assert [] == re.findall(r"(?<![\w.~<-])/\w[\w.-]*/", without_urls)


def test_run_all_stops_at_a_question_that_nobody_answers() -> None:
    notebook = notebook_of("%%convo demo:fail-401\nHi", "reached = True")
    with pytest.raises(CellExecutionError, match="RouteExhausted"):
        run(notebook)
    outputs = outputs_of(notebook)

    assert [["error"], []] == [[output["output_type"] for output in cell] for cell in outputs[1:]]
    assert "RouteExhausted" == outputs[1][0]["ename"]
    assert 1 == len(outputs[1][0]["traceback"])


def test_run_all_stops_at_an_answer_that_breaks_off_and_keeps_it_shown() -> None:
    notebook = notebook_of("%%convo demo:drop-midway\nHi", "reached = True")
    with pytest.raises(CellExecutionError, match="AnswerInterrupted"):
        run(notebook)
    outputs = outputs_of(notebook)

    assert [["display_data", "error"], []] == [[output["output_type"] for output in cell] for cell in outputs[1:]]
    assert "*demo:drop-midway broke off after " in outputs[1][0]["data"]["text/markdown"]


def test_run_all_stops_at_a_line_that_cannot_be_read() -> None:
    notebook = notebook_of("%%convo demo:echo --ouput turn\nHi", "reached = True")
    with pytest.raises(CellExecutionError, match=r"there is no option '--ouput'\. Did you mean --out\?"):
        run(notebook)


def test_restarting_and_running_all_again_asks_the_same() -> None:
    notebook = notebook_of(
        "%%convo demo:echo --session review\nHi", "%%convo demo:echo --out turn\nHi", "turn.parent_id"
    )
    for _ in range(2):
        run(notebook)
        assert [] == outputs_of(notebook)[-1]


def test_papermill_runs_it_with_a_parameter(tmp_path: Path) -> None:
    out = tmp_path / "out.ipynb"
    command = [
        "papermill",
        "--no-progress-bar",
        "-k",
        "python3",
        "-p",
        "route",
        "demo:reasoning",
        str(NOTEBOOK),
        str(out),
    ]
    subprocess.run([sys.executable, "-m", *command], check=True, capture_output=True, timeout=100)
    cell = next(cell for cell in nbformat.read(out, as_version=4).cells if cell.source.startswith("%%convo $route"))

    assert "demo:reasoning answered in" in cell.outputs[0]["data"]["text/plain"]


def test_papermill_fails_where_a_cell_does_and_says_why(tmp_path: Path) -> None:
    source, out = tmp_path / "in.ipynb", tmp_path / "out.ipynb"
    nbformat.write(notebook_of("%%convo demo:echo --ouput turn\nHi", "reached = True"), source)
    done = subprocess.run(
        [sys.executable, "-m", "papermill", "--no-progress-bar", "-k", "python3", str(source), str(out)],
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
    )

    assert 0 != done.returncode
    assert "there is no option" in done.stdout + done.stderr


def nbval(notebook: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    options = ["--nbval", "--nbval-current-env", f"--nbval-sanitize-with={SANITIZE}", "-p", "no:cacheprovider", "-q"]
    command = [sys.executable, "-m", "pytest", "-c", str(folder / "pytest.ini"), *options, str(notebook)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=100)


def test_nbval_finds_what_is_stored_and_notices_when_it_differs(tmp_path: Path) -> None:
    changed = nbformat.read(NOTEBOOK, as_version=4)
    cell = next(cell for cell in changed.cells if cell.source.startswith("%%convo demo:fail-429"))
    cell.outputs[0]["data"]["text/markdown"] += " And more."
    nbformat.write(changed, tmp_path / "changed.ipynb")
    same, other = nbval(NOTEBOOK, tmp_path), nbval(tmp_path / "changed.ipynb", tmp_path)

    assert 0 == same.returncode, same.stdout
    assert "1 failed" in other.stdout
