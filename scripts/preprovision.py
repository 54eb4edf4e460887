"""Hook of azd: what the templates need to know of the tenant. `python3 scripts/preprovision.py --help`."""

import os
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)

from scripts.provisioning.commands import before_provision

if __name__ == "__main__":
    sys.exit(before_provision(sys.argv[1:], os.environ))  # noqa: TID251 - the one place that reads the environment
