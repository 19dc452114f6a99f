"""Whether a feed that is a podcast has what Apple's and other directories ask for. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pipeline.config.lines import KeyPath
from pipeline.config.problems import Problems
from pipeline.config.values import nearest

CATEGORIES: Mapping[str, tuple[str, ...]] = {
    "Arts": ("Books", "Design", "Fashion & Beauty", "Food", "Performing Arts", "Visual Arts"),
    "Business": ("Careers", "Entrepreneurship", "Investing", "Management", "Marketing", "Non-Profit"),
    "Comedy": ("Comedy Interviews", "Improv", "Stand-Up"),
    "Education": ("Courses", "How To", "Language Learning", "Self-Improvement"),
    "Fiction": ("Comedy Fiction", "Drama", "Science Fiction"),
    "Government": (),
    "Health & Fitness": ("Alternative Health", "Fitness", "Medicine", "Mental Health", "Nutrition", "Sexuality"),
    "History": (),
    "Kids & Family": ("Education for Kids", "Parenting", "Pets & Animals", "Stories for Kids"),
    "Leisure": ("Animation & Manga", "Automotive", "Aviation", "Crafts", "Games", "Hobbies", "Home & Garden",
                "Video Games"),
    "Music": ("Music Commentary", "Music History", "Music Interviews"),
    "News": ("Business News", "Daily News", "Entertainment News", "News Commentary", "Politics", "Sports News",
             "Tech News"),
    "Religion & Spirituality": ("Buddhism", "Christianity", "Hinduism", "Islam", "Judaism", "Religion",
                                "Spirituality"),
    "Science": ("Astronomy", "Chemistry", "Earth Sciences", "Life Sciences", "Mathematics", "Natural Sciences",
                "Nature", "Physics", "Social Sciences"),
    "Society & Culture": ("Documentary", "Personal Journals", "Philosophy", "Places & Travel", "Relationships"),
    "Sports": ("Baseball", "Basketball", "Cricket", "Fantasy Sports", "Football", "Golf", "Hockey", "Rugby", "Running",
               "Soccer", "Swimming", "Tennis", "Volleyball", "Wilderness", "Wrestling"),
    "Technology": (),
    "True Crime": (),
    "TV & Film": ("After Shows", "Film History", "Film Interviews", "Film Reviews", "TV Reviews"),
}
"""category -> what may stand below it (https://podcasters.apple.com/support/1691-apple-podcasts-categories)"""


def check_podcast(path: KeyPath, feed: Mapping[str, Any], problems: Problems, *, has_image: bool) -> None:
    """Warn of what a directory may turn the feed down for."""
    podcast, place = feed["podcast"], (*path, "podcast")
    if not has_image:
        problems.warn(place, "directories of podcasts want a picture: give the feed an image")
    if not podcast.get("owner_email"):
        problems.warn(place, "directories and validators want an owner_email, which readers see too")
    category, below = podcast.get("category"), podcast.get("subcategory")
    if not isinstance(category, str):
        return
    if category not in CATEGORIES:
        _warn((*place, "category"), category, "Apple's", CATEGORIES, problems)
    elif isinstance(below, str) and below and below not in CATEGORIES[category]:
        _warn((*place, "subcategory"), below, f'Apple\'s below "{category}"', CATEGORIES[category], problems)


def _warn(place: KeyPath, name: str, whose: str, known: Collection[str], problems: Problems) -> None:
    close = nearest(name, known)
    meant = f', did you mean "{close}"?' if close else f": {', '.join(known) or 'there are none'}"
    problems.warn(place, f"{problems.shown(place)} is none of {whose}{meant}")
