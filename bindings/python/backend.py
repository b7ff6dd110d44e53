"""Builds the package without any build tool from outside: the library with CMake, or $HEARTH_LIBRARY as it is, into a wheel. [PEP 517]"""
import base64
import hashlib
import io
import os
import pathlib
import re
import subprocess
import sysconfig
import tarfile
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
# In a source distribution the engine stands below; in the project, this folder stands in it.
ENGINE = HERE / "engine" if (HERE / "engine").exists() else HERE.parents[1]
LICENSES = ("LICENSE", "THIRD-PARTY")
ENGINE_PARTS = (*LICENSES, "CMakeLists.txt", "CMakePresets.json", "cmake", "include", "src", "bench/CMakeLists.txt", "bench/random_model.cpp")


def version():
    header = (ENGINE / "include/hearth/hearth.h").read_text()
    return ".".join(re.search(rf"HEARTH_VERSION_{part} (\d+)", header)[1] for part in ("MAJOR", "MINOR", "PATCH"))


def metadata():
    return "\n".join([
        "Metadata-Version: 2.1", "Name: openhearth", f"Version: {version()}", "Summary: Language models on ordinary computers",
        "License: Apache-2.0", *(f"License-File: {name}" for name in LICENSES), "Classifier: License :: OSI Approved :: Apache Software License",
        "Classifier: Programming Language :: Python :: 3", "Classifier: Typing :: Typed",
        "Requires-Python: >=3.9", "Provides-Extra: numpy", "Requires-Dist: numpy; extra == 'numpy'",
        "Description-Content-Type: text/markdown", "", (HERE / "README.md").read_text(encoding="utf-8"), ""])


def library():
    """The file to bundle: built here unless the environment names one."""
    named = os.environ.get("HEARTH_LIBRARY")
    if named:
        return pathlib.Path(named).resolve()
    build = HERE / "build"
    subprocess.run(["cmake", "-S", ENGINE, "-B", build, "-DCMAKE_BUILD_TYPE=Release", "-DHEARTH_TESTS=OFF"], check=True)
    subprocess.run(["cmake", "--build", build, "--target", "hearth_shared", "--parallel", str(os.cpu_count() or 1)], check=True)
    return (build / "libhearth.so").resolve()


def write_wheel(folder, files):
    tag = f"py3-none-{re.sub('[^a-zA-Z0-9]', '_', sysconfig.get_platform())}"
    info = f"openhearth-{version()}.dist-info"
    files = {
        **files,
        f"{info}/METADATA": metadata().encode(),
        **{f"{info}/licenses/{name}": (ENGINE / name).read_bytes() for name in LICENSES},
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: openhearth\nRoot-Is-Purelib: false\nTag: {tag}\n".encode(),
        f"{info}/entry_points.txt": b"[console_scripts]\nopenhearth = openhearth.__main__:main\n",
    }
    record = ""
    name = f"openhearth-{version()}-{tag}.whl"
    with zipfile.ZipFile(pathlib.Path(folder) / name, "w", zipfile.ZIP_DEFLATED) as wheel:
        for path, content in files.items():
            wheel.writestr(path, content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            record += f"{path},sha256={digest},{len(content)}\n"
        wheel.writestr(f"{info}/RECORD", record + f"{info}/RECORD,,\n")
    return name


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    files = {f"openhearth/{path.name}": path.read_bytes() for path in sorted((HERE / "openhearth").iterdir()) if path.is_file()}
    files["openhearth/lib/libhearth.so"] = library().read_bytes()
    return write_wheel(wheel_directory, files)


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    """The sources stay where they are; HEARTH_LIBRARY names the library at run time."""
    return write_wheel(wheel_directory, {"openhearth.pth": f"{HERE}\n".encode()})


def build_sdist(sdist_directory, config_settings=None):
    base = f"openhearth-{version()}"
    name = f"{base}.tar.gz"
    with tarfile.open(pathlib.Path(sdist_directory) / name, "w:gz") as archive:
        for part in ("pyproject.toml", "backend.py", "README.md", "openhearth"):
            archive.add(HERE / part, f"{base}/{part}", filter=lambda entry: None if "__pycache__" in entry.name else entry)
        for name in LICENSES:
            archive.add(ENGINE / name, f"{base}/{name}")
        for part in ENGINE_PARTS:
            archive.add(ENGINE / part, f"{base}/engine/{part}")
        content = metadata().encode()  # pip wants it at the top
        entry = tarfile.TarInfo(f"{base}/PKG-INFO")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return name
