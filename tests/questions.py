"""Questions that children are put in tests: modules that they answer by, as `workers.confined.NAME` would."""

from pathlib import Path

_QUESTIONS = {
    "echo": "def answer(request): return request",
    "hang": """
import os, time
def answer(request):
    with open(request["pid"] + ".new", "w") as file: file.write(str(os.getpid()))
    os.rename(request["pid"] + ".new", request["pid"])
    time.sleep(600)
""",
    "look": """
import os, resource
def answer(request):
    names = "AS CPU FSIZE NOFILE CORE".split()
    held = []
    for number in range(256):
        try: os.fstat(number)
        except OSError: continue
        held.append(number)
    status = open("/proc/self/status").read() if os.path.exists("/proc/self/status") else ""
    adjusted = "/proc/self/oom_score_adj"
    return {"environment": sorted(os.environ), "open": held, "status": status, "cwd": os.getcwd(),
            "adjusted": open(adjusted).read() if os.path.exists(adjusted) else "",
            "limits": {name: resource.getrlimit(getattr(resource, "RLIMIT_" + name))[1] for name in names}}
""",
    "forbidden": """
import ctypes, os, signal, socket, subprocess
def refused(act):
    try: act()
    except PermissionError: return True
    except OSError as error: return error.errno
    return False
def answer(request):
    return {"socket": refused(lambda: socket.socket()), "fork": refused(os.fork),
            "exec": refused(lambda: os.execv("/bin/true", ["true"])),
            "kill": refused(lambda: os.kill(os.getppid(), signal.SIGTERM))}
""",
    "reach": """
import os
def answer(request):
    def said(name, *how):
        try:
            os.close(os.open(name, *how))
        except OSError as error:
            return error.errno
        return 0
    there = {name: said(name, os.O_RDONLY) for name in request.get("read", ())}
    for name in request.get("write", ()):
        there[name] = said(name, os.O_WRONLY | os.O_CREAT)
    for name, target in request.get("link", {}).items():
        for make in (os.symlink, os.link):
            try: make(target, name + make.__name__)
            except OSError as error: there[make.__name__] = error.errno
    return {"pid": os.getpid(), "there": there}
""",
    "threads": """
import threading
def answer(request):
    seen = []
    thread = threading.Thread(target=seen.append, args=(1,))
    thread.start()
    thread.join()
    return {"seen": seen}
""",
    "allocate": "def answer(request): return {'length': len(bytearray(request['bytes']))}",
    "abort": "import os\ndef answer(request): os.abort()",
    "segfault": "import ctypes\ndef answer(request): ctypes.string_at(8)",
    "spin": "def answer(request):\n while True: pass",
    "shout": "def answer(request): return {'much': 'x' * 5_000_000}",
    "fail": "def answer(request): raise ZeroDivisionError('of ours')",
    "print": "def answer(request):\n import os; os.write(1, b'noise'); print('noise'); return {}",
    "remember": "seen = []\ndef answer(request): seen.append(1); return {'seen': len(seen)}",
    "serve": """
import os, time
from workers.confined.refusal import RefusedError
seen, held = [], []
def answer(request):
    seen.append(1)
    used = len(seen) > 1
    match request.get("and"):
        case "refuse": raise RefusedError("image_undecodable")
        case "refuse when used":
            if used: raise RefusedError("image_undecodable")
        case "abort when used":
            if used: os.abort()
        case "starve when used":
            if used: raise MemoryError
        case "shout when used":
            if used: return {"much": "x" * 5_000_000}
        case "spin":
            while time.process_time() < request["seconds"]: pass
        case "hold": held.append(bytearray(request["bytes"]))
        case "leave open": held.append(open("left", "w"))
    return {"pid": os.getpid(), "seen": len(seen), "cwd": os.getcwd(), "tmp": os.environ["TMPDIR"]}
""",
}

_START = """
import sys
import workers.confined
workers.confined.__path__.append({folder!r})
from workers.confined.template import main
main(sys.argv[1:])
"""


def program(folder: Path) -> tuple[str, ...]:
    """What a template runs that knows the questions, which are written to the folder."""
    for name, code in _QUESTIONS.items():
        (folder / f"{name}.py").write_text(code)
    (folder / "start.py").write_text(_START.format(folder=str(folder)))
    return (str(folder / "start.py"),)
