#!/usr/bin/env python3
"""openapi_client.py FAUNA WORK MODELS: `schemathesis` (PyPI) against tools/fauna serve: requests made of /openapi.json, right and
wrong ones, whose answers must be as it says. Left out, with exit 77, where there is no package schemathesis. The model is tiny, random
and compiled.
"""
import importlib.util
import pathlib
import subprocess
import sys

from fauna_tool import Tool
from serving import Server, directory

if importlib.util.find_spec("schemathesis") is None:
    print("left out: there is no Python package schemathesis here (pip install schemathesis)")
    sys.exit(77)

fauna, work, models = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
tool = Tool(fauna, work)
with Server(tool, directory(models / "llama_untied", work / "llama")) as server:
    url = f"http://127.0.0.1:{server.port}"
    # What a schema cannot say may be refused: which ids a vocabulary has, how long its prompts are, which fields go together.
    status = subprocess.run([sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json", "--url", url, "--checks", "all",
                             "--exclude-checks", "positive_data_acceptance", "--max-examples", "40", "--seed", "1",
                             "--phases", "examples,coverage,fuzzing", "--suppress-health-check", "all", "--warnings", "off",
                             "--generation-database", "none", "--continue-on-failure"], cwd=work, check=False).returncode
    assert status == 0, status
    assert server.ask("/health") == {"status": "ok"}
