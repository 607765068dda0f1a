"""The words of the demo's world: a few hundred, so that a tiny model can learn all of them in a minute.

Plain data. What is asked about them is in `families.py`, what counts as a good answer in `gold.py`.
"""

from typing import Final

OPPOSITE_PAIRS: Final = (
    ("hot", "cold"),
    ("big", "small"),
    ("fast", "slow"),
    ("old", "new"),
    ("wet", "dry"),
    ("hard", "soft"),
    ("light", "dark"),
    ("happy", "sad"),
    ("rich", "poor"),
    ("early", "late"),
    ("full", "empty"),
    ("open", "closed"),
    ("high", "low"),
    ("near", "far"),
    ("loud", "quiet"),
    ("strong", "weak"),
    ("clean", "dirty"),
    ("long", "short"),
    ("thick", "thin"),
    ("young", "aged"),
)
OPPOSITES: Final = {**dict(OPPOSITE_PAIRS), **{right: left for left, right in OPPOSITE_PAIRS}}

PLURALS: Final = {
    "mouse": "mice",
    "child": "children",
    "man": "men",
    "foot": "feet",
    "tooth": "teeth",
    "goose": "geese",
    "leaf": "leaves",
    "wolf": "wolves",
    "knife": "knives",
    "shelf": "shelves",
    "city": "cities",
    "berry": "berries",
    "baby": "babies",
    "story": "stories",
    "box": "boxes",
    "bus": "buses",
    "dish": "dishes",
    "fox": "foxes",
    "watch": "watches",
    "glass": "glasses",
    "hat": "hats",
    "lamp": "lamps",
    "tree": "trees",
    "boat": "boats",
    "road": "roads",
    "star": "stars",
}

COLOURS: Final = {
    "grass": "green",
    "snow": "white",
    "coal": "black",
    "blood": "red",
    "milk": "white",
    "butter": "yellow",
    "gold": "yellow",
    "chocolate": "brown",
    "soil": "brown",
    "ink": "blue",
    "sugar": "white",
    "honey": "yellow",
    "paper": "white",
    "night": "black",
    "sky": "blue",
    "sea": "blue",
    "moss": "green",
    "fire": "red",
    "wood": "brown",
    "smoke": "grey",
    "stone": "grey",
    "ash": "grey",
    "sand": "yellow",
    "rust": "red",
}
COLOUR_WORDS: Final = ("red", "green", "blue", "white", "black", "brown", "yellow", "grey")

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
    "eleven",
    "twelve",
)
DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS: Final = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)

CATEGORIES: Final = {
    "animals": ("dog", "cat", "horse", "cow", "sheep", "goat", "lion", "bear"),
    "fruits": ("apple", "pear", "plum", "cherry", "lemon", "peach", "melon", "grape"),
    "tools": ("hammer", "saw", "drill", "spade", "rake", "axe", "file", "chisel"),
    "drinks": ("tea", "coffee", "water", "juice", "cocoa", "lemonade", "cider", "wine"),
    "clothes": ("shirt", "coat", "scarf", "sock", "skirt", "belt", "glove", "boot"),
    "vegetables": ("carrot", "onion", "bean", "pea", "leek", "potato", "cabbage", "radish"),
}

NAMES: Final = (
    "Anna",
    "Ben",
    "Clara",
    "David",
    "Emma",
    "Frank",
    "Grace",
    "Henry",
    "Ida",
    "Jack",
    "Karen",
    "Leo",
    "Maria",
    "Noah",
    "Olga",
    "Paul",
    "Rosa",
    "Sam",
    "Tina",
    "Victor",
)
TIMES_OF_DAY: Final = ("morning", "afternoon", "evening")

REQUEST_VERBS: Final = ("open", "close", "clean", "bring", "move", "paint", "carry", "fix")
REQUEST_THINGS: Final = ("door", "window", "table", "chair", "lamp", "gate", "bench", "clock")

SPELLED_WORDS: Final = (
    "apple",
    "bread",
    "candle",
    "desk",
    "egg",
    "farm",
    "garden",
    "house",
    "island",
    "jacket",
    "kettle",
    "ladder",
    "market",
    "needle",
    "orange",
    "pencil",
    "queen",
    "river",
    "spoon",
    "train",
    "umbrella",
    "village",
    "winter",
    "yard",
)

PLACES: Final = (
    "by the river",
    "in the garden",
    "at the market",
    "on the farm",
    "near the house",
    "in the village",
)
DOINGS: Final = ("sat", "slept", "waited", "sang", "worked", "walked", "played", "talked")
WEATHER: Final = ("It rained all day.", "The sun came out.", "The wind was cold.", "It was a quiet night.")

HEDGES: Final = ("I am not sure.", "Maybe.", "I think so, or not.", "Hard to say.")
RUDE_REMARKS: Final = ("What a silly question.", "Ask someone else.", "That is boring.", "Leave me alone.")
