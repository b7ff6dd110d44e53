#!/usr/bin/env python3
"""What `make install` puts down is found by pkg-config and by CMake, and a C program builds with it, shared and static.

    install_test.py BUILD MODELS
"""
import os
import pathlib
import subprocess
import sys
import tempfile

BUILD, MODELS = map(pathlib.Path, sys.argv[1:])
ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples/c/chat.c"
PROJECT = """cmake_minimum_required(VERSION 3.20)
project(user C CXX)
find_package(OpenHearth REQUIRED)
foreach(kind hearth static)
  add_executable(${kind} %s)
  target_link_libraries(${kind} OpenHearth::${kind})
endforeach()
""" % EXAMPLE


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: {done.stdout}")
    return done.stdout


def talk(program, environment):
    out = run(program, MODELS / "tiny.gguf", input="the low\n", env=environment)
    assert "tokens in" in out, out


with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    run("cmake", "--install", BUILD, "--prefix", "/usr", env={**os.environ, "DESTDIR": str(folder / "stage")})
    prefix = folder / "moved"  # what is installed may be moved
    (folder / "stage/usr").rename(prefix)
    lib = next(path.parent for path in prefix.rglob("libhearth.a"))
    there = {**os.environ, "PKG_CONFIG_PATH": str(lib / "pkgconfig"), "LD_LIBRARY_PATH": str(lib), "CMAKE_PREFIX_PATH": str(prefix)}
    flags = run("pkg-config", "--cflags", "--libs", "hearth", env=there).split()
    run("cc", "-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", EXAMPLE, "-o", folder / "shared", *flags)
    talk(folder / "shared", there)
    flags = run("pkg-config", "--static", "--cflags", "--libs", "hearth", env=there).split()
    run("cc", "-std=c99", EXAMPLE, "-o", folder / "static", *["-l:libhearth.a" if flag == "-lhearth" else flag for flag in flags])
    talk(folder / "static", os.environ)
    (folder / "CMakeLists.txt").write_text(PROJECT)
    run("cmake", "-S", folder, "-B", folder / "build", env=there)
    run("cmake", "--build", folder / "build")
    talk(folder / "build/hearth", os.environ)
    talk(folder / "build/static", os.environ)
print("install: pkg-config and CMake, shared and static")
