"""Private instances of Debian's PostgreSQL and MariaDB, and an SQLite file; the system's own
services are neither used nor touched."""

from __future__ import annotations

import os
import pwd
import signal
import sqlite3
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from server_process import START_TIMEOUT, ServerProcess, free_port, wait_until_frozen

PASSWORD = "it's a \\secret"  # what a connection string must quote
TABLE = """CREATE TABLE mailboxes (name VARCHAR(200) PRIMARY KEY, hash VARCHAR(300),
  place VARCHAR(100), login VARCHAR(100), number INTEGER)"""


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    return "'" + str(value).replace("'", "''") + "'" if isinstance(value, str) else str(value)


class Database:
    """What the three have in common: a table of users, and the section that Headgate needs."""

    def run(self, statement: str) -> None:
        raise NotImplementedError

    def settings(self) -> dict[str, Any]:
        raise NotImplementedError

    def set_users(self, *rows: tuple[Any, ...]) -> None:
        """The table's new contents: (name, hash, place, login, number), the last ones optional."""
        statements = ["DELETE FROM mailboxes"]
        for row in rows:
            whole = (*row, None, None, None, None)[:5]
            statements.append(f"INSERT INTO mailboxes VALUES ({','.join(map(_literal, whole))})")
        self.run(";\n".join(statements) + ";")


class Server(ServerProcess, Database):
    def __init__(self, kind: str, user: str):
        ServerProcess.__init__(self, kind)
        self.port = free_port("127.0.0.1")
        entry = pwd.getpwnam(user)
        self.become = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        if os.geteuid() != 0:
            self.become = {}
        else:
            os.chown(self.directory, entry.pw_uid, entry.pw_gid)

    def execute(self, command: list[str | Path], **options: Any) -> None:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            cwd=self.directory,
            **options,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]}: {done.stdout}{done.stderr}{self.words()}")

    def words(self) -> str:
        return ServerProcess.words(self) if (self.directory / "output").exists() else ""

    def start(self) -> None:
        with (self.directory / "output").open("ab") as output:
            self.process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.directory,
                start_new_session=True,
                **self.become,
            )
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            try:
                self.run("SELECT 1;")
                return
            except RuntimeError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def command(self) -> list[str | Path]:
        raise NotImplementedError

    def end(self) -> None:
        """Stops the server at once and keeps its data."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def freeze(self) -> None:
        """From here on the server accepts connections (the kernel does) and says nothing."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGSTOP)
        wait_until_frozen(self.process.pid)  # it has no more children than it has now
        frozen: set[int] = set()
        # The kernel may leave some out while others end: those that are frozen do not.
        while found := set(self._children()) - frozen:
            for pid in found:
                self._signal(pid, signal.SIGSTOP)
                wait_until_frozen(pid)
            frozen |= found

    def thaw(self) -> None:
        assert self.process is not None
        for pid in [self.process.pid, *self._children()]:
            self._signal(pid, signal.SIGCONT)

    def _children(self) -> list[int]:
        """PostgreSQL's processes have process groups of their own."""
        assert self.process is not None
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return list(map(int, path.read_text().split()))

    @staticmethod
    def _signal(pid: int, number: int) -> None:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


class PostgreSQL(Server):
    def __init__(self) -> None:
        super().__init__("postgresql", "postgres")
        self.programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
        password = self.directory / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        self.data = self.directory / "data"
        self.execute(
            [
                self.programs / "initdb",
                "--no-sync",
                "--auth=scram-sha-256",
                "--username=headgate",
                f"--pwfile={password}",
                f"--pgdata={self.data}",
            ],
            **self.become,
        )
        self.start()
        self.run("CREATE DATABASE mail;", database="postgres")
        self.run(TABLE + ";")

    def command(self) -> list[str | Path]:
        return [
            self.programs / "postgres",
            *("-D", self.data, "-p", str(self.port), "-F"),
            *("-c", "listen_addresses=127.0.0.1", "-c", "autovacuum=off"),
            *("-c", f"unix_socket_directories={self.directory}"),
        ]

    def run(self, statement: str, database: str = "mail") -> None:
        if "SELECT 1" in statement:
            database = "postgres"
        self.execute(
            ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(self.port)]
            + ["-U", "headgate", "-d", database, "-c", statement],
            env={**os.environ, "PGPASSWORD": PASSWORD, "PGCONNECT_TIMEOUT": "2"},
        )

    def settings(self) -> dict[str, Any]:
        return {
            "driver": "postgresql",
            "host": "127.0.0.1",
            "port": self.port,
            "database": "mail",
            "user": "headgate",
            "password": PASSWORD,
            "options": "sslmode='disable'",
        }


class MariaDB(Server):
    def __init__(self) -> None:
        super().__init__("mariadb", "mysql")
        self.data = self.directory / "data"
        self.socket = self.directory / "socket"
        self.execute(
            ["mariadb-install-db", "--no-defaults", f"--datadir={self.data}", "--skip-test-db"]
            + ["--auth-root-authentication-method=normal", "--innodb-flush-log-at-trx-commit=2"],
            **self.become,
        )
        self.start()
        quoted = PASSWORD.replace("\\", "\\\\").replace("'", "\\'")
        self.run("CREATE DATABASE mail CHARACTER SET utf8mb4;", database="mysql")
        self.run(f"CREATE USER headgate@'%' IDENTIFIED BY '{quoted}';", database="mysql")
        self.run("GRANT SELECT ON mail.* TO headgate@'%';", database="mysql")
        self.run(TABLE + ";")

    def command(self) -> list[str | Path]:
        return [
            "/usr/sbin/mariadbd",
            "--no-defaults",
            f"--datadir={self.data}",
            f"--socket={self.socket}",
            f"--port={self.port}",
            f"--pid-file={self.directory}/pid",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            "--innodb-buffer-pool-size=8M",
            "--innodb-flush-log-at-trx-commit=2",
        ]

    def run(self, statement: str, database: str = "mail") -> None:
        if "SELECT 1" in statement:
            database = "mysql"
        self.execute(
            ["mariadb", "--no-defaults", f"--socket={self.socket}", "--user=root", database]
            + ["--execute", statement]
        )

    def settings(self) -> dict[str, Any]:
        return {
            "driver": "mysql",
            "host": "127.0.0.1",
            "port": self.port,
            "database": "mail",
            "user": "headgate",
            "password": PASSWORD,
        }


class SQLite(Database):
    def __init__(self) -> None:
        self.directory = tempfile.TemporaryDirectory(prefix="headgate-sqlite-")
        self.path = Path(self.directory.name) / "user data.sqlite"
        self.run(TABLE)

    def run(self, statement: str) -> None:
        connection = sqlite3.connect(self.path)
        with connection:
            connection.executescript(statement)
        connection.close()

    def settings(self) -> dict[str, Any]:
        return {"driver": "sqlite", "path": str(self.path)}

    def stop(self) -> None:
        self.directory.cleanup()
