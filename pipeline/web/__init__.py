"""What readers see: the front page, newsletters and digests on the web, feed files, and the way out of a newsletter.

No GET changes anything, no page carries a script or sets a cookie, and no link is made from a Host header.
"""
