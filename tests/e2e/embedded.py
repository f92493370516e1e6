"""The binary alone, in an empty folder and with an empty environment, serves the whole site."""

import shutil
import tempfile
from pathlib import Path

from harness import CSS, ROOT, SITE, check, fingerprinted, get, site

with tempfile.TemporaryDirectory() as folder:
    binary = Path(shutil.copy(SITE, folder))
    with site(binary, cwd=folder) as port:
        check("the home page", get(port, "/").status, 200)
        for path in (CSS, fingerprinted(port, CSS), "/static/img/logo.png", "/static/docs/sizes.json"):
            check(f"{path} is there", get(port, path).status, 200)
        check("a static file", get(port, CSS).body, (ROOT / CSS[1:]).read_bytes())
        missing = get(port, "/no-such-page")
        check("a 404", (missing.status, b"</html>" in missing.body), (404, True))
    check("files in the folder", [path.name for path in Path(folder).iterdir()], [binary.name])
