"""checkov over infra/, offline, with a list of what it leaves out and why."""

import re
import shutil
import subprocess
from pathlib import Path

import yaml

from tests.infra.bicep import INFRA, ROOT

CONFIG = INFRA / "checkov.yaml"
CHECKOV = ROOT / ".venv-checkov" / "bin" / "checkov"
HTTPS_ONLY = {"CKV_AZURE_14", "CKV_AZURE_70", "CKV_AZURE_153"}
"""The checks that want a site's httpsOnly."""


def checkov(folder: Path, config: Path) -> subprocess.CompletedProcess[str]:
    command = [str(CHECKOV), "--config-file", str(config), "--directory", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - ours


def test_it_passes_and_looks_at_something() -> None:
    done = checkov(INFRA, CONFIG)

    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"Passed checks: (\d+), Failed checks: 0", done.stdout)
    assert passed
    assert int(passed[1]) >= 30
    assert "ERROR" not in done.stderr


def test_every_check_left_out_says_why() -> None:
    """A comment of its own right above each, and none twice."""
    lines = CONFIG.read_text().splitlines()
    entries = [number for number, line in enumerate(lines) if line.startswith("  - CKV")]
    skipped = yaml.safe_load(CONFIG.read_text())["skip-check"]

    assert [lines[number].removeprefix("  - ") for number in entries] == skipped
    assert len(set(skipped)) == len(skipped)
    assert all(len(lines[number - 1].removeprefix("  # ")) > 30 for number in entries)
    assert all(lines[number - 1].startswith("  # ") for number in entries)


def test_it_reports_what_is_left_out_and_what_is_broken(tmp_path: Path) -> None:
    """So that it would notice, and no entry outlives its reason."""
    shutil.copytree(INFRA, tmp_path / "infra")
    site = tmp_path / "infra" / "modules" / "site.bicep"
    site.write_text(site.read_text().replace("    httpsOnly: true\n", "", 1))
    settings = yaml.safe_load(CONFIG.read_text())
    config = tmp_path / "checkov.yaml"
    config.write_text(yaml.safe_dump(settings | {"skip-check": []}))

    done = checkov(tmp_path / "infra", config)

    assert done.returncode == 1
    assert set(re.findall(r"CKV_AZURE_\d+", done.stdout + done.stderr)) == {*settings["skip-check"], *HTTPS_ONLY}
