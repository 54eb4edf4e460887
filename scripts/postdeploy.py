"""Hook of azd: wakes the app, has it subscribe, and waits until it hears. `python3 scripts/postdeploy.py --help`."""

import os
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)

from scripts.provisioning.commands import after_deploy

if __name__ == "__main__":
    sys.exit(after_deploy(sys.argv[1:], os.environ))  # noqa: TID251 - the one place that reads the environment
