"""What is measured in the page itself: frames, long tasks, the memory of scripts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.browser.jupyterlab import Lab, Notebook, chromium, jupyterlab

__all__ = ["Front", "Measured", "Task"]

AFTERMATH = 2000
"""Milliseconds after a cell's end that are still watched."""
PATIENCE = 180_000
"""Milliseconds for a cell to end."""
FRAME = """
  const output = () => document.querySelectorAll('.jp-Notebook .jp-CodeCell')[index].querySelector('.jp-OutputArea');
  const painted = (selector) => new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${selector} in the cell`)), 60000);
    const look = () => {
      if (!output()?.querySelector(selector)) return;
      observer.disconnect();
      clearTimeout(timer);
      requestAnimationFrame(() => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = () => resolve(performance.now());
        port2.postMessage(null);  // heard when the frame is done
      });
    };
    const observer = new MutationObserver(look);
    observer.observe(document.querySelector('.jp-Notebook'), { childList: true, subtree: true });
  });"""
RUN = f"""async ([index, selector]) => {{{FRAME}
  window.panel.content.activeCellIndex = index;
  const seen = painted(selector);
  const begun = performance.now();
  const done = window.jupyterapp.commands.execute('notebook:run-cell');
  const took = await seen - begun;
  await done;
  return took;
}}"""
CLICK = f"""async ([index, name, selector]) => {{{FRAME}
  const button = [...output().querySelectorAll('button')].find((b) => b.textContent.trim() === name);
  const seen = selector && painted(selector);
  const begun = performance.now();
  const at = Date.now();
  button.click();
  return {{ at: at / 1000, took: selector && await seen - begun }};
}}"""
TRACE = {"includedCategories": ["disabled-by-default-devtools.timeline"], "excludedCategories": ["*"]}
TASK, MAIN = "RunTask", "CrRendererMain"
"""What the trace calls a task, and a page's main thread."""


class Task(NamedTuple):
    """One task of the page's main thread, in milliseconds: on the clock, and of CPU, which other work on the machine disturbs less."""

    wall: float
    cpu: float


class Measured(Notebook):
    """A notebook whose page is watched."""

    def first_frame(self, index: int, selector: str) -> float:
        """Run a cell to its end; seconds from its begin to the frame that first shows the selector in its output."""
        return float(self.page.evaluate(RUN, [index, selector])) / 1000

    def click(self, index: int, name: str, selector: str = "") -> tuple[float, float]:
        """Click a button of a cell's output.

        Gives when, as seconds of the epoch, and the seconds until the frame that first shows the selector there.
        """
        clicked = self.page.evaluate(CLICK, [index, name, selector])
        return float(clicked["at"]), float(clicked["took"] or 0) / 1000

    def tasks(self, index: int) -> list[Task]:
        """Run a cell to its end, and watch on for a while: all that the page's main thread did, from the browser's own trace.

        Raises
        ------
        RuntimeError
            The trace says nothing of this thread.
        """
        session = self.page.context.new_cdp_session(self.page)
        events: list[dict[str, Any]] = []
        ended: list[object] = []
        session.on("Tracing.dataCollected", lambda part: events.extend(part["value"]))
        session.on("Tracing.tracingComplete", lambda about: ended.append(about))
        session.send("Tracing.start", {"traceConfig": TRACE})
        self.run(index)
        self.page.wait_for_timeout(AFTERMATH)
        session.send("Tracing.end")
        while not ended:
            self.page.wait_for_timeout(10)  # hears what is collected
        session.detach()
        threads = {(e["pid"], e["tid"]) for e in events if e["name"] == "thread_name" and e["args"]["name"] == MAIN}
        tasks = [e for e in events if e["name"] == TASK and (e["pid"], e["tid"]) in threads and "dur" in e]
        if not tasks:
            raise RuntimeError("the browser's trace holds no tasks of the page")
        return [Task(e["dur"] / 1000, e.get("tdur", 0) / 1000) for e in tasks]

    def heap(self) -> float:
        """Megabytes that the page holds on to, scripts and elements, after their garbage was collected."""
        session = self.page.context.new_cdp_session(self.page)
        for _ in range(3):  # what finalisers let go of is collected in the next round
            session.send("HeapProfiler.collectGarbage")
        usage: dict[str, float] = session.send("Runtime.getHeapUsage")
        session.detach()
        return (usage["usedSize"] + usage["embedderHeapUsedSize"]) / 1e6


class Front:
    """JupyterLab and Chromium, running.

    Attributes
    ----------
    log : Path
        What the server says.
    """

    def __init__(self, lab: Lab, browser: Any, log: Path) -> None:
        self._lab = lab
        self._browser = browser
        self.log = log

    @classmethod
    @contextmanager
    def started(cls, env: Mapping[str, str], scratch: Path) -> Iterator[Front]:
        """Start both.

        Parameters
        ----------
        env : mapping of str to str
            The kernels' variables.
        scratch : Path
            A folder for their files.
        """
        home, root = scratch / "jupyter", scratch / "notebooks"
        home.mkdir()
        root.mkdir()
        with jupyterlab(home, root, env) as lab, chromium() as browser:
            yield cls(lab, browser, home / "log.txt")

    @contextmanager
    def notebook(self, *cells: str) -> Iterator[Measured]:
        """A notebook with these cells, whose first one has been run.

        Raises
        ------
        RuntimeError
            Something went wrong in the page.
        """
        wrong: list[str] = []
        with self._lab.opened(Measured, self._browser, self._lab.write("benchmark", *cells), wrong) as notebook:
            notebook.page.set_default_timeout(PATIENCE)
            notebook.run(0)
            yield notebook
        if wrong:
            raise RuntimeError(f"in the page: {wrong[0]}")
