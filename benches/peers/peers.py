"""How the other implementations are built and called, for `run` here and for `interop/run`.

A peer that cannot be built on this machine is said and left out. What is built lies in the
folders named `target`.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
INTEROP = HERE.parent.parent / "interop"
OURS = INTEROP / "veksel"
CARGO = os.environ.get("CARGO", "cargo")

FORMS = {"ahex": "cbs-ascii-hex", "abin": "cbs-ascii-bin", "bcd": "cbs-bcd"}


class Missing(Exception):
    """Why a peer cannot be had here."""


def call(arguments, folder):
    """Runs a build step; its words are shown only if it fails."""
    tool = arguments[0]
    if shutil.which(tool) is None and not Path(tool).exists():
        raise Missing(f"{tool} is not installed")
    done = subprocess.run(
        arguments, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-15:])
        raise Missing(f"`{' '.join(map(str, arguments))}` failed:\n{tail}")


def cargo(folder):
    call([CARGO, "build", "--release", "--quiet", "--locked"], folder)


def rust(name):
    folder = HERE / name
    cargo(folder)
    return [folder / "target/release/peer"]


def jpos():
    folder = HERE / "jpos"
    if shutil.which("java") is None:
        raise Missing("java is not installed")
    call(["mvn", "-q", "-B", "compile", "dependency:copy-dependencies"], folder)
    return ["java", "-cp", f"{folder}/target/classes:{folder}/target/dependency/*", "Peer"]


def moov():
    folder = HERE / "moov"
    call(["go", "build", "-o", "target/peer", "."], folder)
    return [folder / "target/peer"]


def pyiso8583():
    folder = HERE / "pyiso8583"
    venv = folder / "target/venv"
    python = venv / "bin/python"
    if not python.exists():
        call([sys.executable, "-m", "venv", str(venv)], folder)
    call([str(python), "-m", "pip", "install", "-q", "-r", "requirements.txt"], folder)
    return [python, folder / "peer.py"]


BUILD = {
    "jpos": jpos,
    "moov": moov,
    "pyiso8583": pyiso8583,
    "iso8583_rs": lambda: rust("iso8583_rs"),
    "iso8583-codec-rs": lambda: rust("iso8583-codec-rs"),
}

VERSION = {
    "jpos": ("jpos/pom.xml", r"<artifactId>jpos</artifactId>\s*<version>([^<]+)"),
    "moov": ("moov/go.mod", r"moov-io/iso8583 v(\S+)"),
    "pyiso8583": ("pyiso8583/requirements.txt", r"==(\S+)"),
    "iso8583_rs": ("iso8583_rs/Cargo.toml", r'iso8583_rs = "=([^"]+)'),
    "iso8583-codec-rs": ("iso8583-codec-rs/Cargo.toml", r'iso8583-codec-rs = "=([^"]+)'),
}


def version(name):
    """The version that the peer's own manifest asks for."""
    path, pattern = VERSION[name]
    return re.search(pattern, (HERE / path).read_text(encoding="utf-8")).group(1)


def ours():
    """Builds our side and gives the command."""
    cargo(OURS)
    return OURS / "target/release/interop"


def ask(command, mode, folder, answers):
    """Lets a peer read `messages` in a folder and write what it makes of them."""
    arguments = [*command, mode, folder / "spec", folder / "messages", folder / answers]
    arguments = [str(argument) for argument in arguments]
    done = subprocess.run(
        arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=280
    )
    if done.returncode:
        raise Missing(f"it ended with {done.returncode}: {done.stderr[-800:]}")
    text = (folder / answers).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines() if line]
