"""The words of the demo's world: so few that a tiny model can learn all of them in a minute.

Plain data. What is asked about them is in `families.py`, what counts as a good answer in `gold.py`.
"""

from typing import Final

OPPOSITE_PAIRS: Final = (
    ("hot", "cold"),
    ("big", "small"),
    ("fast", "slow"),
    ("wet", "dry"),
    ("happy", "sad"),
    ("early", "late"),
    ("full", "empty"),
    ("high", "low"),
)
OPPOSITES: Final = {**dict(OPPOSITE_PAIRS), **{right: left for left, right in OPPOSITE_PAIRS}}

PLURALS: Final = {
    "mouse": "mice",
    "child": "children",
    "foot": "feet",
    "goose": "geese",
    "leaf": "leaves",
    "wolf": "wolves",
    "city": "cities",
    "baby": "babies",
    "box": "boxes",
    "fox": "foxes",
    "lamp": "lamps",
    "road": "roads",
}

COLOURS: Final = {
    "grass": "green",
    "snow": "white",
    "coal": "black",
    "blood": "red",
    "milk": "white",
    "butter": "yellow",
    "chocolate": "brown",
    "soil": "brown",
    "ink": "blue",
    "sky": "blue",
    "moss": "green",
    "fire": "red",
}
COLOUR_WORDS: Final = ("red", "green", "blue", "white", "black", "brown", "yellow")

NUMBERS: Final = (
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
)
DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
CATEGORIES: Final = {
    "animals": ("dog", "cat", "horse", "cow", "sheep", "goat", "lion", "bear"),
    "fruits": ("apple", "pear", "plum", "cherry", "lemon", "peach", "melon", "grape"),
    "tools": ("hammer", "saw", "drill", "spade", "rake", "axe", "file", "chisel"),
    "drinks": ("tea", "coffee", "water", "juice", "cocoa", "lemonade", "cider", "wine"),
}

NAMES: Final = ("Anna", "Ben", "Clara", "David", "Emma", "Frank", "Grace", "Henry")
TIMES_OF_DAY: Final = ("morning", "afternoon", "evening")

REQUEST_VERBS: Final = ("open", "close", "clean", "bring", "move", "fix")
REQUEST_THINGS: Final = ("door", "window", "table", "chair", "lamp", "gate")

SPELLED_WORDS: Final = (
    "bread",
    "candle",
    "desk",
    "egg",
    "garden",
    "island",
    "jacket",
    "kettle",
    "market",
    "needle",
    "river",
    "spoon",
)

PLACES: Final = (
    "by the river",
    "in the garden",
    "at the market",
    "on the farm",
    "near the house",
    "in the village",
)
QUALITIES: Final = ("heavy", "round", "broken", "lost", "cheap", "strange")
DOINGS: Final = ("sat", "slept", "waited", "sang", "worked", "walked", "played", "talked")
WEATHER: Final = ("It rained all day.", "The sun came out.", "The wind was strong.", "It was a quiet night.")

HEDGES: Final = ("I am not sure.", "Maybe.", "I think so, or not.", "Hard to say.")
RUDE_REMARKS: Final = ("What a silly question.", "Ask someone else.", "That is boring.", "Leave me alone.")
