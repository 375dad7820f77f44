"""`assetfs sandbox PROTOCOL`: one embedded server alone."""

from assetfs.sandbox.command import sandbox

__all__ = ["sandbox"]
