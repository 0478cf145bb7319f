// ---- everything in its order

async function start() {
  const { matrix, figures, traces } = payload.dataset;
  const [compared, listed] = await Promise.all([read([0, matrix]), read([0, traces])]);
  startControl(compared, listed);
  drawLines();
  const wanted = readLink();
  startMatrix();
  startCharts();
  startTables();
  startViewer(listed);
  changed();
  frame.started = true;
  startFigures(await read([0, figures]));
  if (wanted) await goTo(wanted); // the figures above it have their height by now
  openTarget();
  window.addEventListener("hashchange", () => {
    if (!location.hash.includes("=")) return openTarget();
    const found = readLink();
    changed();
    if (found) goTo(found);
  });
  document.documentElement.dataset.ready = "yes";
}

start();
