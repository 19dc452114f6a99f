"""deliver: digest | one ledger row a person | personalise | transport | record."""
