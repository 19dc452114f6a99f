"""Text out of templates: the only Jinja2 and the only premailer. Opens no socket, and no file but templates."""
