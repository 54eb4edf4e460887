"""Hook of azd: Entra, keys and certificate, which no template can make. `python3 scripts/postprovision.py --help`."""

import os
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)

from scripts.provisioning.commands import after_provision

if __name__ == "__main__":
    sys.exit(after_provision(sys.argv[1:], os.environ))  # noqa: TID251 - the one place that reads the environment
