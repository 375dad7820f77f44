"""Modules that a Midas server may have besides `api` and `mfa`: the switch `modules` names those that are there.

They follow the server's source (3.4.2); unlike the rest of the sandbox they were not held against a running one.
"""

from assetfs.sandbox.midas.modules import dicomextractor, solr, thumbnailcreator, tracker

__all__ = ["dicomextractor", "solr", "thumbnailcreator", "tracker"]
