"""A PostgreSQL server of the test's own: a temporary folder, a socket in it, gone afterwards."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

USERS = ("postgres", "nobody")
"""PostgreSQL refuses to run as root: one of these does it instead."""


def binaries():
    """Folder of `postgres` and `initdb`; None where there is none."""
    found = shutil.which("postgres")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    whole = [f for f in folders if (f / "initdb").exists() and (f / "postgres").exists()]
    return whole[0] if whole else None


def why_not():
    """Why no server can be started here; empty: one can."""
    if binaries() is None:
        return "no PostgreSQL server here (neither on the PATH nor in /usr/lib/postgresql)"
    if os.geteuid() == 0 and other_user() is None:
        return f"PostgreSQL does not run as root, and there is no user {' or '.join(USERS)}"
    return ""


def other_user():
    for name in USERS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return None


class Server:
    """A server that can be stopped, killed and started again."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.who = {}
        if os.geteuid() == 0:
            user = other_user()
            os.chown(folder, user.pw_uid, user.pw_gid)
            self.who = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        self._run("initdb", "-D", "data", "-U", "tester", "-A", "trust", "-N", "-E", "UTF8")
        self.process = None

    def url(self, database="postgres"):
        """As a user would write it, for a server on a socket."""
        return f"postgresql://tester@/{database}?host={self.folder}"

    def start(self):
        command = [str(binaries() / "postgres"), "-D", "data", "-k", str(self.folder), "-c"]
        command += ["listen_addresses=", "-c", "fsync=off"]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, stdout=log, stderr=log, env={"LC_ALL": "C"}, **self.who
            )
        self.ask("SELECT 1")

    def stop(self, how=signal.SIGQUIT):
        """SIGQUIT: at once, as a crash."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(timeout=30)
            self.process = None

    def ask(self, query):
        """The rows of a query, as soon as the server answers."""
        import psycopg

        deadline = time.monotonic() + 30
        while True:
            try:
                with psycopg.connect(self.url(), autocommit=True) as connection:
                    cursor = connection.execute(query)
                    return cursor.fetchall() if cursor.description else []
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, (self.folder / "log").read_text()
                time.sleep(0.1)

    def database(self, name):
        """URL of a new, empty database."""
        self.ask(f"CREATE DATABASE {name}")
        return self.url(name)

    def _run(self, program, *words):
        command = [str(binaries() / program), *words]
        environment = {"LC_ALL": "C", "PATH": os.environ.get("PATH", "")}
        done = subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, env=environment, **self.who
        )
        assert done.returncode == 0, done.stderr


@contextmanager
def server():
    """A started server; its folder's path is short, as a socket's must be."""
    folder = tempfile.mkdtemp(prefix="pg-")
    running = Server(folder)
    try:
        running.start()
        yield running
    finally:
        running.stop()
        shutil.rmtree(folder, ignore_errors=True)
