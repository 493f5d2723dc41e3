"""JupyterLab in a Chromium without a screen, for tests and for looking at the notebooks.

Speaks Chromium's DevTools protocol over the websocket client that JupyterLab brings along.
Nothing but this machine can be reached from either.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import websocket

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
SETTINGS = {
    # Every cell is in the page, not only those in view.
    "notebook-extension/tracker": {"windowingMode": "none"},
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}
# In the page: waits until a function of no arguments gives something that is true.
UNTIL = """
window.until ??= async (ready, what, seconds = 60) => {
  for (let tries = 0; tries < 10 * seconds; tries++) {
    const found = await ready();
    if (found) return found;
    await new Promise(resolve => setTimeout(resolve, 100));
  }
  throw new Error("waited in vain for " + what);
};
"""


@contextmanager
def process(command, environment, log):
    """A program in the background, ended in the end; what it says goes to the file `log`."""
    with open(log, "wb") as file:
        running = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=environment
        )
        try:
            yield running
        finally:
            running.terminate()
            try:
                running.wait(20)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()


def wait_for(find, running, log, seconds=120):
    """Calls find() until it gives something; its file may be missing or half written."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and running.poll() is None:
        try:
            if found := find():
                return found
        except (OSError, ValueError):
            pass
        time.sleep(0.2)
    raise RuntimeError(f"{running.args[0]} did not start:\n{Path(log).read_text()[-2000:]}")


@contextmanager
def jupyterlab(folder, work):
    """Starts JupyterLab on a free port; gives its address. Its own files go to the folder work."""
    work.mkdir(parents=True, exist_ok=True)
    for name, values in SETTINGS.items():
        path = work / f"settings/@jupyterlab/{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    own = {f"JUPYTER_{what}_DIR": str(work / what) for what in ("RUNTIME", "CONFIG", "DATA")}
    own |= {"JUPYTERLAB_SETTINGS_DIR": str(work / "settings")}
    own |= {"JUPYTERLAB_WORKSPACES_DIR": str(work / "workspaces")}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ServerApp.port=0"]
    command += [f"--ServerApp.root_dir={folder}", "--IdentityProvider.token=test"]
    command += ["--LabApp.expose_app_in_browser=True", "--LabApp.news_url=None"]
    command += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    command += ["--allow-root"]
    log = work / "jupyterlab.log"
    with process(command, os.environ | own, log) as running:

        def address():
            for file in (work / "RUNTIME").glob("jpserver-*.json"):
                return f"{json.loads(file.read_text())['url']}lab?token=test"

        yield wait_for(address, running, log)


@contextmanager
def chromium(work, width=1280, height=1000):
    """Starts Chromium; gives a function call(method, **parameters) to its one page."""
    work.mkdir(parents=True, exist_ok=True)
    command = [CHROMIUM, "--headless", "--disable-gpu", "--no-first-run", "--disable-sync"]
    command += ["--disable-background-networking", "--disable-component-update"]
    command += ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"]
    command += ["--remote-debugging-port=0", f"--user-data-dir={work / 'profile'}"]
    command += [f"--window-size={width},{height}", "--no-proxy-server", "--hide-scrollbars"]
    command += ["--no-sandbox"] if os.geteuid() == 0 else []
    log = work / "chromium.log"
    with process([*command, "about:blank"], os.environ, log) as running:
        port_file = work / "profile/DevToolsActivePort"
        port, path = wait_for(lambda: port_file.read_text().split(), running, log)
        socket = websocket.create_connection(
            f"ws://127.0.0.1:{port}{path}", suppress_origin=True, timeout=1200
        )
        numbers = count(1)

        def send(method, session=None, **parameters):
            number = next(numbers)
            message = {"id": number, "method": method, "params": parameters}
            socket.send(json.dumps(message | ({"sessionId": session} if session else {})))
            while (answer := json.loads(socket.recv())).get("id") != number:
                pass  # an event: not asked for
            if "error" in answer:
                raise RuntimeError(f"{method}: {answer['error']['message']}")
            return answer["result"]

        pages = send("Target.getTargets")["targetInfos"]
        target = next(page["targetId"] for page in pages if page["type"] == "page")
        session = send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        send("Emulation.setFocusEmulationEnabled", session, enabled=True)
        try:
            yield lambda method, **parameters: send(method, session, **parameters)
        finally:
            socket.close()


def javascript(call, program, **values):
    """Runs a program in the page, as the body of an async function; gives what it returns.

    The values are constants that the program may use.
    """
    names = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in values.items())
    answer = call(
        "Runtime.evaluate",
        expression=f"(async () => {{{UNTIL}{names}{program}}})()",
        awaitPromise=True,
        returnByValue=True,
    )
    if "exceptionDetails" in answer:
        raise RuntimeError(answer["exceptionDetails"]["exception"].get("description", "error"))
    return answer["result"].get("value")


def screenshot(call, path, height=1000):
    """Writes what the page shows as PNG."""
    picture = call("Page.captureScreenshot", format="png", captureBeyondViewport=False)
    Path(path).write_bytes(base64.b64decode(picture["data"]))
