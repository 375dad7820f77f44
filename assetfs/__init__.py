"""assetfs: mount digital asset repositories as drives."""

__version__ = "0.1.0"
