"""Finds a Chromium for tests that look at pages, and installs one where that is possible. `python -m local.chromium`.

Not here: what is looked at, see `tests/browser`.
"""

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PACKAGES = ("chromium", "fonts-liberation")


def find_chromium() -> str | None:
    """Return the path of a Chromium or Chrome on the PATH."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def main() -> int:
    """Make sure that there is one; say what to do if there cannot be."""
    if find_chromium():
        return 0
    if shutil.which("apt-get") and os.geteuid() == 0:
        print("installing Chromium with apt-get, about 125 MB …", flush=True)
        subprocess.run(["apt-get", "update", "-q"], stdout=subprocess.DEVNULL, check=False)  # noqa: S607 - the system's own
        command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *PACKAGES]
        if subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode == 0 and find_chromium():
            return 0
    print(
        "There is no Chromium on the PATH. Install one (Debian and Ubuntu: 'sudo apt-get install chromium'; macOS: "
        "'brew install --cask chromium') and try again.",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
