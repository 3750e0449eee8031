"""README and docs are true: their code runs, links work, tables are those of the results files."""

import ast
import importlib.util
import json
import re
import sys
import types
from functools import cache
from pathlib import Path

import gymnasium as gym
import pytest
import typer
import yaml
from stable_baselines3 import PPO

import ia_gym
from ia_gym.experiments.cli import app
from ia_gym.experiments.reports.finished_runs import group_by_agent, read_runs
from ia_gym.experiments.reports.tables import build_overview, format_markdown

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
DOCS = ROOT / "docs"
PAGES = [README, ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
TEXTS = {page: page.read_text("utf-8") for page in PAGES}


def name_of(page):
    return str(page.relative_to(ROOT))


# ------------------------------------------------------------------ code and commands


def test_the_pages_of_the_domains_are_what_the_code_says():
    """Their text; their pictures are there, and may differ between versions of matplotlib."""
    path = DOCS / "domain_pages.py"
    spec = importlib.util.spec_from_file_location("domain_pages", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in ia_gym.DOMAINS:
        kept = TEXTS[DOCS / "domains" / f"{name}.md"]
        assert module.write_page(name, pictures=None) == kept, "run `make docs`"


BLOCKS = {
    page: re.findall(r"```python\n(.*?)```(?:\n+(?:[^\n#`]+\n+)?```text\n(.*?)```)?", text, re.S)
    for page, text in TEXTS.items()
}


@pytest.mark.parametrize("page", [page for page in PAGES if BLOCKS[page]], ids=name_of)
def test_the_code_on_a_page_runs_and_prints_what_is_shown(page, tmp_path, monkeypatch, capsys):
    """Every Python block; training is cut down, all else is as written."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").symlink_to(ROOT / "results")
    monkeypatch.setattr(gym.envs.registration, "registry", dict(gym.registry))
    init = PPO.__init__

    def init_short(self, *args, **kwargs):
        init(self, *args, **{**kwargs, "n_steps": 2, "batch_size": 2, "n_epochs": 1})

    monkeypatch.setattr(PPO, "__init__", init_short)
    module = types.ModuleType("page")  # where the classes of the page are found
    monkeypatch.setitem(sys.modules, "page", module)
    namespace, shown = vars(module), 0
    for code, output in BLOCKS[page]:
        capsys.readouterr()
        budget = r"(\.learn\(|n_eval_episodes=)(?:\d[\d_]*|recipe\.n_timesteps)"
        exec(re.sub(budget, r"\g<1>16", code), namespace)
        if output:
            assert capsys.readouterr().out == output, code
            shown += 1
    if page == README:
        assert shown == 1
        assert isinstance(namespace["env"], gym.Env)
    if page.name == "results.md":
        assert namespace["accuracy"] > 0.99  # of the trained network it loads


def test_the_commands_on_the_pages_exist():
    """Each `ia-gym COMMAND --option` that is shown is one."""
    commands = {name: {option for param in command.params for option in param.opts}
                for name, command in typer.main.get_command(app).commands.items()}  # fmt: skip
    shown = set()
    for page, text in TEXTS.items():
        for line in re.findall(r"ia-gym ([a-z][a-z-]*[^`|\n]*)", text.replace(" \\\n", " ")):
            name, *words = line.split()
            assert name in commands, f"{page}: ia-gym {line}"
            for word in words:
                if word.startswith("--"):
                    assert word.rstrip(",.;:)") in commands[name], f"{page}: ia-gym {line}"
            shown.add(name)
    assert shown == set(commands)


# ----------------------------------------------------------------------- structure


def test_the_readme_is_short():
    assert len(TEXTS[README].splitlines()) <= 150


def test_links_lead_somewhere():
    """To files that exist, and to headings that the page has."""
    for page, text in TEXTS.items():
        for link in re.findall(r"\]\(([^)]+)\)", text):
            if link.startswith("http"):
                continue
            path, _, heading = link.partition("#")
            target = page.parent / path if path else page
            assert target.exists(), f"{page}: {link}"
            if heading:
                assert heading in headings(target), f"{page}: {link}"


def test_files_named_on_the_pages_exist():
    """Paths in the repository, in code and commands."""
    folders = "|".join(["ia_gym", "envs", "agents", "experiments", "examples", "tests", "results"])
    for page, text in TEXTS.items():
        for path in re.findall(rf"[` ]((?:{folders})/[\w./-]*\w/?)[` \n]", text):
            assert (ROOT / path).exists(), f"{page}: {path}"


def headings(page):
    """The anchors that MkDocs gives the headings of a page."""
    found = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.M)
    return {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", line).strip().lower()) for line in found}


def test_the_navigation_has_every_page_once():
    entries, pages = list(site_settings()["nav"]), []
    while entries:
        for value in entries.pop().values():
            if isinstance(value, list):
                entries += value
            else:
                pages.append(value)
    assert sorted(pages) == sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md"))


def site_settings():
    """What ``mkdocs.yml`` says, its own tags left aside."""

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_constructor("!relative", lambda loader, node: node.value)
    return yaml.load((ROOT / "mkdocs.yml").read_text(), Loader)


@pytest.mark.parametrize("package", ["domains", "envs", "agents", "experiments"])
def test_every_public_name_is_in_the_api_reference(package):
    names = importlib.import_module(f"ia_gym.{package}").__all__
    shown = re.findall(r"^::: (\S+)", TEXTS[DOCS / "reference" / f"{package}.md"], re.M)
    assert {f"ia_gym.{package}.{name}" for name in names} <= set(shown)


def test_the_names_at_the_top_are_in_the_api_reference():
    page = TEXTS[DOCS / "reference" / "ia_gym.md"]
    assert all(f"ia_gym.{name}" in page for name in ia_gym.__all__ if name != "__version__")


def test_what_the_api_reference_names_exists():
    for page in (DOCS / "reference").glob("*.md"):
        for path in re.findall(r"^::: (\S+)", TEXTS[page], re.M):
            package, _, name = path.rpartition(".")
            try:
                importlib.import_module(path)
            except ModuleNotFoundError:
                assert hasattr(importlib.import_module(package), name), f"{page}: {path}"


def test_every_domain_has_a_page_and_every_settings_file_is_mentioned():
    for name in ia_gym.DOMAINS:
        assert (DOCS / "domains" / f"{name}.md").exists()
    for path in (ROOT / "experiments" / "settings").glob("*.yaml"):
        assert f"`{path.stem}`" in TEXTS[DOCS / "agents.md"], path


def test_the_version_is_the_same_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == ia_gym.__version__
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert re.findall(r"^## (\S+)", changelog, re.M)[0] == ia_gym.__version__


# --------------------------------------------------------------------------- words

DIALECT = [
    *("comes to 95", "come to 95", "came to 95", "its twin", "'s twin", "broken off", "put to H"),
    *("puts to H", "asked of", "falls short", "fall short", "what came of", "goes on with"),
    *("go on with", "takes apart", "take apart", "taken apart", "lays over", " told "),
    *("foretold", "stands for those", "what is more than", "by heart", "worth its"),
]
"""Phrases that say in private words what the field has terms for."""
NOTATION = re.compile(r"(?<![\w^(])(?:H'?|X)(?![\w(^*=-])")
"""H, X and H' of the paper, in prose."""
SOURCES = [ROOT / folder for folder in ("ia_gym", "envs", "agents", "experiments", "examples")]


def read_help():
    """The help of the command line, of every command and option."""
    main = typer.main.get_command(app)
    yield "ia-gym", main.help or ""
    for name, command in main.commands.items():
        yield f"ia-gym {name}", command.help or ""
        for param in command.params:
            yield f"ia-gym {name} {param.name}", getattr(param, "help", None) or ""


def read_docstrings():
    """Those of modules, classes and functions, which make up the API reference."""
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef
    for folder in SOURCES:
        for file in folder.rglob("*.py"):
            if not file.resolve().is_relative_to(folder):
                continue  # behind the links in ia_gym/
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                text = ast.get_docstring(node) if isinstance(node, kinds) else None
                if text:
                    name = getattr(node, "name", "module")
                    yield f"{file.relative_to(ROOT)}: {name}", text


def test_pages_help_and_docstrings_are_in_the_words_of_the_field():
    texts = [(name_of(page), text) for page, text in TEXTS.items()]
    texts.append(("CHANGELOG.md", (ROOT / "CHANGELOG.md").read_text("utf-8")))
    found = [
        f"{place}: {phrase}"
        for place, text in [*texts, *read_help(), *read_docstrings()]
        for phrase in DIALECT
        if phrase in re.sub(r"\s+", " ", text)
    ]
    assert not found


def test_the_notation_of_the_paper_is_for_the_page_on_the_idea():
    """And for a docstring that cites the formula."""
    allowed = (DOCS / "idea.md", ROOT / "CONTRIBUTING.md")
    texts = [(name_of(page), text) for page, text in TEXTS.items() if page not in allowed]
    texts += [each for each in read_docstrings() if "Amplify^H(X)" not in each[1]]
    found = [
        f"{place}: {match.group()}"
        for place, text in [*texts, *read_help()]
        for match in NOTATION.finditer(re.sub(r"```.*?```|`+[^`]*`+", "", text, flags=re.S))
    ]
    assert not found


# ------------------------------------------------------------------------- results


@cache
def fresh_table(folder):
    """The overview of the runs in ``folder``, as ``ia-gym report`` writes it."""
    return format_markdown(build_overview(group_by_agent(read_runs(ROOT / folder))))


TABLES = [
    (page, folder, table)
    for page, text in TEXTS.items()
    for folder, table in re.findall(r"<!-- report (\S+) -->\n(.*?)<!-- /report -->", text, re.S)
]


@pytest.mark.parametrize(
    ("page", "folder", "table"), TABLES, ids=[f"{page.stem}-{folder}" for page, folder, _ in TABLES]
)
def test_tables_are_what_the_results_files_say(page, folder, table):
    fresh = fresh_table(folder)
    assert table == f"{fresh}\n", f"run `ia-gym report {folder} --readme {name_of(page)}`"


def test_the_rows_in_the_readme_are_rows_of_the_tables():
    folder, rows = re.search(
        r"<!-- rows (\S+) -->\n(.*?)<!-- /rows -->", TEXTS[README], re.S
    ).groups()
    lines = rows.splitlines()
    assert len(lines) >= 4  # header, rule, rows
    assert set(lines) <= set(fresh_table(folder).splitlines())


def test_every_results_folder_is_on_a_page():
    shown = {folder for _, folder, _ in TABLES}
    runs = {str(path.parent.relative_to(ROOT)) for path in (ROOT / "results").glob("*/report.md")}
    assert runs <= shown


def test_every_published_run_names_its_command_and_commit():
    paths = list((ROOT / "results").rglob("result.json"))
    assert len(paths) > 10
    for path in paths:
        result = json.loads(path.read_text())
        assert result["command"].startswith("ia-gym "), path
        assert result["commit"], path
        assert result["versions"]["torch"], path
