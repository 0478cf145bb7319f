"""What is partialled out of the scores of both methods before they are correlated."""

from harness.agreement.controls.design import Design, designs
from harness.agreement.controls.taken import takes

__all__ = ["Design", "designs", "takes"]
