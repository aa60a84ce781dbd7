"""Compares a published OpenAPI document of Oxide with what the client believes: `tox -e contract -- PATH`.

What the client believes is read from its code: the rows of `oxide/_operations.py`, their encoders, and the models. A
public model must have every field and value of its schema; a private one has those that the client uses.

A document may be a part of the published one. An operation that it lacks counts as a difference if the document has
others of the same resource (such as `/v1/images`), or has any resource that the client does not know, as the whole
document does. Otherwise the operation is only named.
"""
