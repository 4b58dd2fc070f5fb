"""A Postgres server of a test's own, where one is installed."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

import pytest

from olo_testing.certificates import Issued
from olo_testing.ports import free_port


@contextmanager
def postgres_server(tls: Issued | None = None) -> Iterator[str]:
    """A server with an empty database; gives its URL. Skips the test where no server is installed.

    Args:
        tls: The certificate that it shows to who wants TLS; None: it speaks none.
    """
    binaries = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
    if binaries is None:
        pytest.skip("no Postgres server under /usr/lib/postgresql")
    prefix: list[str] = []
    # Paths of sockets must be short, and the owner of the server must be able to reach it.
    directory = Path(mkdtemp(prefix="olo-postgres-", dir="/tmp"))
    if os.geteuid() == 0:
        try:
            owner = pwd.getpwnam("postgres")
        except KeyError:
            owner = pwd.getpwnam("nobody")
        os.chown(directory, owner.pw_uid, owner.pw_gid)
        prefix = ["runuser", "-u", owner.pw_name, "--"]
    data, port = directory / "data", free_port()

    def run(program: str, *arguments: str) -> None:
        command = [*prefix, str(binaries / program), "-D", str(data), *arguments]
        subprocess.run(command, check=True, capture_output=True, cwd=directory.parent, timeout=120)

    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={directory} -c fsync=off"
    if tls is not None:
        options += _tls_options(tls, directory)
    try:
        run("initdb", "-U", "olo", "-A", "trust", "--no-sync")
        run("pg_ctl", "-w", "-t", "60", "-l", f"{directory}/log", "-o", options, "start")
        try:
            yield f"postgresql://olo@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _tls_options(tls: Issued, directory: Path) -> str:
    """Copies the files to where the server reads them; its key must be the owner's alone."""
    owner = directory.stat()
    for name, source in (("server.crt", tls.certificate), ("server.key", tls.key)):
        copy = directory / name
        copy.write_bytes(source.read_bytes())
        copy.chmod(0o600)
        os.chown(copy, owner.st_uid, owner.st_gid)
    return f" -c ssl=on -c ssl_cert_file={directory}/server.crt -c ssl_key_file={directory}/server.key"
