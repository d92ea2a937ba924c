"""Metadata of the package, read by pip and by colcon (the repository root is the ament_python package `rover_energy`)."""

from __future__ import annotations

import re
from pathlib import Path

from setuptools import find_packages, setup

NAME = "rover_energy"
ROOT = Path(__file__).resolve().parent
PACKAGE = ROOT / "src" / NAME
SHARED_FOLDERS = ("launch", "config", "sim", "deploy")

# The ROS 2 wheels exist for this platform only; elsewhere ROS comes from its own installation and colcon.
ROS_PLATFORM = "sys_platform == 'linux' and platform_machine == 'x86_64'"
ROS_WHEELS = (
    "ros-rclpy[fastrtps]~=9.1.2",
    "ros-std-msgs~=5.5.1",
    "ros-geometry-msgs~=5.5.1",
    "ros-nav-msgs~=5.5.1",
    "ros-sensor-msgs~=5.5.1",
    "ros-diagnostic-msgs~=5.5.1",
    "ros-lifecycle-msgs~=2.3.0",
)

CORE = ["numpy>=2.0", "scipy>=1.11", "casadi>=3.6.5", "shapely>=2.0.3", "pyyaml>=6.0.1"]
EXTRAS = {
    "terrain": ["rasterio>=1.4"],
    "report": ["matplotlib>=3.8"],
    "cli": ["typer>=0.12", "rich>=13.7"],
    "simulation": ["mujoco>=3.2.7"],
    "audit": ["rosbags>=0.10.6", "pyarrow>=15", "duckdb>=1.0", "dask[distributed]>=2024.5"],
}
VIEWS = ["foxglove-sdk>=0.30", "rerun-sdk>=0.41", "rosbags~=0.11.9", "mcap>=1.6"]
EXTRAS["all"] = sorted(requirement for extra in EXTRAS.values() for requirement in extra)
EXTRAS["tables"] = ["polars>=1.0"]
EXTRAS["ros"] = [*(f"{wheel} ; {ROS_PLATFORM}" for wheel in ROS_WHEELS), "rosbags~=0.11.9", "setproctitle>=1.3"]
EXTRAS["views"] = VIEWS  # not in "all": Rerun's viewer alone takes 300 MB
# Learning and deployment of networks; on Linux without a GPU take the CPU build of torch from its own index.
EXTRAS["infer"] = ["torch>=2.6", "scikit-learn>=1.5", "onnx>=1.17", "onnxruntime>=1.20", "zeus>=0.12", "river>=0.22"]
EXTRAS["chemistry"] = ["ase>=3.23"]  # LGPL: figures of adsorption energies only
EXTRAS["test"] = [
    "pytest>=8",
    "pytest-timeout>=2.3",
    "hypothesis>=6.100",
    "rouge-score>=0.1.2",
    "ruff~=0.17.6",
    "mypy~=2.4.1",
    "types-PyYAML",
    "rosbags>=0.10.6",
    "scoringrules>=0.8",
    "polars>=1.0",
    "mcap>=1.6",
    "foxglove-sdk>=0.30",
    "websockets>=13",
    "setuptools>=70.1",  # the packaging test builds a wheel without an isolated environment
]
EXTRAS["bench"] = ["toppra>=0.6.3", "ompl>=2.0", "psutil>=5.9"]


def version() -> str:
    """`__version__` of the package, read as text: importing it here would need its dependencies."""
    found = re.search(r'^__version__ = "([^"]+)"$', (PACKAGE / "__init__.py").read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise RuntimeError(f"{PACKAGE / '__init__.py'}: no line __version__ = \"...\"")
    return found.group(1)


def package_files() -> list[str]:
    """Everything beside the Python modules: C sources, templates, style sheets, tables."""
    return sorted(
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc", ".so"}
    )


def shared_files() -> list[tuple[str, list[str]]]:
    """What ament expects under the install prefix: index marker, package.xml, programs of `ros2 run`, shared folders."""
    files: dict[str, list[str]] = {
        "share/ament_index/resource_index/packages": [f"resource/{NAME}"],
        f"share/{NAME}": ["package.xml"],
        f"lib/{NAME}": sorted(f"scripts/{path.name}" for path in (ROOT / "scripts").glob("[a-z]*")),
    }
    for folder in SHARED_FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                relative = path.relative_to(ROOT)
                files.setdefault(f"share/{NAME}/{relative.parent.as_posix()}", []).append(relative.as_posix())
    return list(files.items())


setup(
    name=NAME,
    version=version(),
    description="Energy-constrained planning for planetary rovers on radioisotope and solar power",
    license="Apache-2.0",
    python_requires=">=3.10",
    package_dir={"": "src"},
    packages=find_packages("src"),
    package_data={NAME: package_files()},
    data_files=shared_files(),
    install_requires=CORE,
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["rover-energy = rover_energy.cli.main:main"]},
    zip_safe=False,
)
