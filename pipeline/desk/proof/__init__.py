"""The preflight of a digest: what is looked at in a letter before it may go.

    letter | open | size text headers links alt pictures contrast css spam -> findings | held by errors

Each file but `following` and `spam` decides only; these two ask servers and a program.
"""
