"""What is kept: the cards that were issued and the feedback on them, without patient identity.

Only `cds_service.store.store` is for others. SQLAlchemy is imported when the store is opened, which
happens behind the back of the first request: it costs as much as the rest of the start.
"""
