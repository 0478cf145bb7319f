"""Claims of the literature, each with a test fixed before looking and a verdict."""

from harness.claims.claim import Claim, Frames, Part
from harness.claims.settings import claims
from harness.claims.table import claims_frame

__all__ = ["Claim", "Frames", "Part", "claims", "claims_frame"]
