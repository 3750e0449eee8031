"""Packaging: the top-level folders ``envs`` and ``agents`` are installed as parts of ``ia_gym``."""

from pathlib import Path

from setuptools import setup

setup(
    name="ia-gym",
    version="0.1.0",
    description="Gymnasium environments for Iterated Amplification",
    long_description=Path("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.11",
    package_dir={"ia_gym": "ia_gym", "ia_gym.envs": "envs", "ia_gym.agents": "agents"},
    packages=[
        "ia_gym",
        "ia_gym.tasks",
        "ia_gym.envs",
        "ia_gym.agents",
        "ia_gym.agents.settings",
        "ia_gym.agents.zoo",
    ],
    package_data={"ia_gym": ["py.typed"], "ia_gym.agents.settings": ["*.yaml"]},
    install_requires=[
        "gymnasium>=1.2.2",
        "matplotlib>=3.8",
        "networkx>=3.5",
        "numpy>=1.26",
        "pandas>=2.0",
        "pyyaml>=6.0",
        "rich>=13.0",
        "safetensors>=0.4",
        "scipy>=1.14",
        "stable-baselines3>=2.7",
        "tensorboard>=2.15",
        "torch>=2.9",
        "tqdm>=4.60",
        "typer>=0.12",
    ],
    extras_require={
        "atari": ["ale-py>=0.11"],
        "contrib": ["sb3-contrib>=2.7"],
        "docs": ["mkdocs-material>=9.5"],
        "browser": ["playwright>=1.40"],
        "mutants": ["mutmut>=3.8"],
        "zoo": ["rl_zoo3>=2.7"],
        "dev": [
            "hypothesis>=6.0",
            "mypy>=1.10",
            "pandas-stubs>=2.0",
            "psutil>=5.9",
            "pytest>=8.0",
            "pytest-cov>=5.0",
            "pytest-xdist>=3.0",
            "ruff>=0.6",
            "types-PyYAML>=6.0",
            "types-networkx>=3.5",
        ],
    },
    entry_points={"console_scripts": ["ia-gym = ia_gym.agents.cli:app"]},
    classifiers=["Programming Language :: Python :: 3", "License :: OSI Approved :: MIT License"],
)
