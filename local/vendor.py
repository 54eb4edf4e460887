"""Copies the page's libraries out of `local/node_modules` into `shared/web/vendor`. `python -m local.vendor`.

They ship with the app, so that a page needs no one else's server, and so that nobody has to build anything. Their names carry their
versions: a browser may keep them for ever. Versions are pinned in `local/package.json`; after changing one, `npm ci` and this.
"""

import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_LOCAL: Final = Path(__file__).resolve().parent
TARGET: Final = _LOCAL.parent / "shared" / "web" / "vendor"
LIST: Final = "vendored.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """One library: its package, the file that browsers take, and where its licence is (empty: the package brings none)."""

    package: str
    file: str
    licence: str
    name: str


LIBRARIES: Final = (
    Library(package="@microsoft/signalr", file="dist/browser/signalr.min.js", licence="", name="signalr"),
    Library(package="@azure/msal-browser", file="lib/msal-browser.min.js", licence="LICENSE", name="msal-browser"),
    Library(package="dompurify", file="dist/purify.min.js", licence="LICENSE", name="purify"),
)

_MIT_OF_DOTNET: Final = """The MIT License (MIT)

Copyright (c) .NET Foundation and Contributors

All rights reserved.

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
"""
"""The licence of https://github.com/dotnet/aspnetcore, which the package of its client names and does not bring."""


def collect(modules: Path) -> Mapping[str, bytes]:
    """Give the files of the folder by name: each library, its licence, and the list of them all."""
    files: dict[str, bytes] = {}
    listed: list[dict[str, Any]] = []
    for library in LIBRARIES:
        package = modules / library.package
        about = json.loads((package / "package.json").read_bytes())
        version = about["version"]
        name, licence = f"{library.name}-{version}.min.js", f"{library.name}-{version}.licence.txt"
        # maps are not shipped: a name of one would make every open console ask for it
        lines = (package / library.file).read_bytes().splitlines(keepends=True)
        files[name] = b"".join(line for line in lines if not line.startswith(b"//# sourceMappingURL="))
        files[licence] = (package / library.licence).read_bytes() if library.licence else _MIT_OF_DOTNET.encode()
        digest = hashlib.sha256(files[name]).hexdigest()
        listed.append(
            {
                "package": library.package,
                "version": version,
                "license": about["license"],
                "file": name,
                "licenceFile": licence,
                "sha256": digest,
            }
        )
    files[LIST] = (json.dumps(listed, indent=2) + "\n").encode()
    return files


def main(modules: Path = _LOCAL / "node_modules", target: Path = TARGET) -> int:
    """Write what is collected, and take away what was there before."""
    files = collect(modules)
    target.mkdir(parents=True, exist_ok=True)
    for old in target.iterdir():
        old.unlink()
    for name, content in files.items():
        (target / name).write_bytes(content)
    print(f"vendor: {', '.join(name for name in files if name.endswith('.js'))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
