"""How templates are rendered: all text escaped, nothing undefined, no script but what is named."""

from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup


def template(name: str) -> Template:
    """A template of the package."""
    environment = Environment(
        loader=PackageLoader("harness.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def style_alone() -> dict[str, Any]:
    """Style of a page without scripts, and the policy that allows that style and nothing else."""
    style = (Path(__file__).parents[1] / "templates" / "report.css").read_text(encoding="utf-8")
    digest = b64encode(sha256(style.encode()).digest()).decode()
    return {"policy": f"default-src 'none'; style-src 'sha256-{digest}'", "style": Markup(style)}
