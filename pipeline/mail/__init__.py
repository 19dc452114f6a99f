"""What a message is made of: header bytes, signatures, tokens."""
