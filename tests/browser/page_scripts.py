"""What runs in JupyterLab's page: `window.jupyterapp` is its application, `window.panel` the notebook's panel."""

from __future__ import annotations

LOADED = """() => {
  window.panel = [...(window.jupyterapp?.shell.widgets('main') ?? [])].find((w) => w.sessionContext);
  return window.panel && document.querySelector('.jp-Notebook .jp-Cell');
}"""
READY = """async () => {
  await window.panel.context.ready;
  await window.panel.sessionContext.ready;
  await window.panel.sessionContext.session.kernel.info;
}"""
RUN = """async ([index, wait]) => {
  window.panel.content.activeCellIndex = index;
  const done = window.jupyterapp.commands.execute('notebook:run-cell');
  if (wait) await done;
}"""
EXECUTE = """async (code) => {
  let out = '';
  const request = window.panel.sessionContext.session.kernel.requestExecute({ code, store_history: false });
  request.onIOPub = ({ header, content }) => {
    if (header.msg_type === 'stream') out += content.text;
    if (header.msg_type === 'error') out += `${content.ename}: ${content.evalue}`;
  };
  await request.done;
  return out.trim();
}"""
RESTART = """async () => {
  await window.panel.sessionContext.restartKernel();
  await window.panel.sessionContext.session.kernel.info;
}"""
WATCH_STATUS = """() => {
  const kernel = window.panel.sessionContext.session.kernel;
  window.statuses = [];
  kernel.statusChanged.connect((_, status) => window.statuses.push(status));
}"""
RESTARTED = """() => {
  const died = window.statuses.findIndex((s) => s === 'autorestarting' || s === 'restarting');
  return died >= 0 && window.statuses.indexOf('idle', died) > died;
}"""
"""Ever since `WATCH_STATUS`."""
CLEAR = """(index) => {
  window.panel.content.activeCellIndex = index;
  return window.jupyterapp.commands.execute('notebook:clear-cell-output');
}"""
RECORD = """() => {
  const root = document.querySelector('.jp-Notebook');
  const begun = performance.now();
  window.seen = [];
  const look = () => {
    const text = document.querySelector('.jp-OutputArea')?.innerText ?? '';
    if (text !== window.seen.at(-1)?.text) window.seen.push({ at: performance.now() - begun, text });
  };
  new MutationObserver(look).observe(root, { childList: true, subtree: true, characterData: true, attributes: true });
  look();
}"""
CHANGE_THEME = """async (theme) => {
  const { commands } = window.jupyterapp;
  if (!commands.isToggled('apputils:change-theme', { theme })) await commands.execute('apputils:change-theme', { theme });
}"""
