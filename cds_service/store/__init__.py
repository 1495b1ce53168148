"""The store of issued cards and the feedback on them, without patient identity.

Other packages use only `cds_service.store.store`. SQLAlchemy is imported when the store is opened,
in a background thread after the first request, because the import takes as long as the rest of the
start.
"""
