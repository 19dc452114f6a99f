"""audience: people sign up, choose, leave; what they said is a row, and the history of these rows is the truth."""
