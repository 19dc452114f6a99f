"""desk: what an operator asks across the stages. Everything here reads; only a test mail leaves the house."""
