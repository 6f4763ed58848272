"""Measurements in the page itself: frames, long tasks, and memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.browser.jupyterlab import Lab, Notebook, chromium, jupyterlab

AFTERMATH_MS = 2000
"""How long the page is measured after the end of a cell."""
MAX_CELL_MS = 180_000
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
        port2.postMessage(null);  // received after the frame
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
"""The names of a task and of a page's main thread in the trace."""


class Task(NamedTuple):
    """One task of the page's main thread in milliseconds: on the clock, and of CPU, which other processes disturb less."""

    wall: float
    cpu: float


class Measured(Notebook):
    """A notebook whose page is measured."""

    def first_frame(self, index: int, selector: str) -> float:
        """Run a cell to its end; the seconds from its start to the frame that first shows the selector in its output."""
        return float(self.page.evaluate(RUN, [index, selector])) / 1000

    def click(self, index: int, name: str, selector: str = "") -> tuple[float, float]:
        """Click a button in a cell's output; the time of the click in seconds of the epoch, and the seconds until the first frame that
        shows the selector.
        """
        clicked = self.page.evaluate(CLICK, [index, name, selector])
        return float(clicked["at"]), float(clicked["took"] or 0) / 1000

    def tasks(self, index: int) -> list[Task]:
        """Run a cell to its end, and give all tasks of the page's main thread until `AFTERMATH_MS` later, from the browser's own trace."""
        session = self.page.context.new_cdp_session(self.page)
        events: list[dict[str, Any]] = []
        ended: list[object] = []
        session.on("Tracing.dataCollected", lambda part: events.extend(part["value"]))
        session.on("Tracing.tracingComplete", lambda about: ended.append(about))
        session.send("Tracing.start", {"traceConfig": TRACE})
        self.run(index)
        self.page.wait_for_timeout(AFTERMATH_MS)
        session.send("Tracing.end")
        while not ended:
            self.page.wait_for_timeout(10)  # receives the collected events
        session.detach()
        threads = {(e["pid"], e["tid"]) for e in events if e["name"] == "thread_name" and e["args"]["name"] == MAIN}
        tasks = [e for e in events if e["name"] == TASK and (e["pid"], e["tid"]) in threads and "dur" in e]
        if not tasks:
            raise RuntimeError("the browser's trace holds no tasks of the page")
        return [Task(e["dur"] / 1000, e.get("tdur", 0) / 1000) for e in tasks]

    def heap(self) -> float:
        """The page's memory after a garbage collection in megabytes: scripts and elements."""
        session = self.page.context.new_cdp_session(self.page)
        for _ in range(3):  # objects that finalisers release are collected in the next round
            session.send("HeapProfiler.collectGarbage")
        usage: dict[str, float] = session.send("Runtime.getHeapUsage")
        session.detach()
        return (usage["usedSize"] + usage["embedderHeapUsedSize"]) / 1e6


class Front:
    """A running JupyterLab and Chromium; `log` is the file with the output of the Jupyter server."""

    def __init__(self, lab: Lab, browser: Any, log: Path) -> None:
        self._lab = lab
        self._browser = browser
        self.log = log

    @classmethod
    @contextmanager
    def started(cls, env: Mapping[str, str], scratch: Path) -> Iterator[Front]:
        """Start both; the kernels get `env`, and the files go to `scratch`."""
        home, root = scratch / "jupyter", scratch / "notebooks"
        home.mkdir()
        root.mkdir()
        with jupyterlab(home, root, env) as lab, chromium() as browser:
            yield cls(lab, browser, home / "log.txt")

    @contextmanager
    def notebook(self, *cells: str) -> Iterator[Measured]:
        """Open a notebook with these cells, and run the first one; RuntimeError if the page reported an error."""
        errors: list[str] = []
        with self._lab.opened(Measured, self._browser, self._lab.write("benchmark", *cells), errors) as notebook:
            notebook.page.set_default_timeout(MAX_CELL_MS)
            notebook.run(0)
            yield notebook
        if errors:
            raise RuntimeError(f"in the page: {errors[0]}")
