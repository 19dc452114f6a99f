"""Languages, each called as those who speak it do: whoever looks for theirs need not know ours. Pure."""

from __future__ import annotations

_NAMES = {
    "ar": "العربية", "bg": "български", "bn": "বাংলা", "ca": "català", "cs": "čeština", "cy": "Cymraeg", "da": "dansk",
    "de": "Deutsch", "el": "Ελληνικά", "en": "English", "es": "español", "et": "eesti", "eu": "euskara", "fa": "فارسی",
    "fi": "suomi", "fr": "français", "fy": "Frysk", "ga": "Gaeilge", "gl": "galego", "he": "עברית", "hi": "हिन्दी",
    "hr": "hrvatski", "hu": "magyar", "hy": "հայերեն", "id": "Indonesia", "is": "íslenska", "it": "italiano",
    "ja": "日本語", "ka": "ქართული", "ko": "한국어", "lt": "lietuvių", "lv": "latviešu",
    "mk": "македонски", "mt": "Malti", "nb": "norsk bokmål", "nl": "Nederlands", "nn": "nynorsk",
    "no": "norsk", "pl": "polski", "pt": "português",
    "ro": "română", "ru": "русский", "se": "davvisámegiella", "sk": "slovenčina", "sl": "slovenščina", "sq": "shqip",
    "sr": "српски", "sv": "svenska", "sw": "Kiswahili", "ta": "தமிழ்", "th": "ไทย", "tr": "Türkçe", "uk": "українська",
    "ur": "اردو", "vi": "Tiếng Việt", "zh": "中文",
}


def own_name(tag: str) -> str:
    """ "svenska" for "sv", "português (BR)" for "pt-BR"; the tag itself where we don't know its language."""
    language, _, rest = tag.partition("-")
    name = _NAMES.get(language.lower(), "")
    return f"{name} ({rest})" if name and rest else name or tag
