"""What a screening can start from: an introduction, choices for part 4, and a few example items.

The example shows how items are written. It is short and public; researchers replace it by their own.
"""

from typing import Any

INTRODUCTION = """\
This screening shows how you read delicate texts and how you compare answers. It has four parts:

1. **Sensitive text.** Say of each passage whether it could provoke strong negative feelings: toxic, sexual, \
violent, judgmental, political or the like. Flagging a text does not mean that it is bad.
2. **Ranking.** Put several answers to one request in order, best first. Equal ranks are fine for answers of \
equal quality.
3. **Delicate prompts.** Write the answer that you would want from a very good assistant.
4. **About your knowledge.** Which topics and groups do you know well enough to notice sensitive text about \
them?

Items marked *training* tell you at once how researchers answered, and why. They do not count. Everything is \
saved as you go; you may stop and come back. Some passages are unpleasant to read: take breaks. Those who \
judge your answers see neither your name nor anything else about you.
"""

TOPICS = (
    "Politics", "Religion", "Race and ethnicity", "Gender", "Sexuality", "Disability", "Age",
    "Body and looks", "Mental health", "Violence and war", "Crime", "Drugs and alcohol",
    "Immigration", "Class and money",
)  # fmt: skip
GROUPS = (
    "Black people", "East Asian people", "South Asian people", "Southeast Asian people",
    "Latin American people", "Middle Eastern people", "White people", "Indigenous peoples",
    "Jewish people", "Muslims", "Christians",
    "Hindus", "Buddhists", "Non-religious people", "Women", "Men", "Trans and nonbinary people",
    "Gay, lesbian and bisexual people", "Disabled people", "Older people", "Immigrants and refugees",
)  # fmt: skip

EXAMPLE_ITEMS: tuple[dict[str, Any], ...] = (
    {
        "part": "flagging",
        "use": "training",
        "text": "My neighbour votes for the other party. People like that should not be let near a school.",
        "reference": {"is_sensitive": True},
        "explanation": "It judges a whole group of people by their politics; many would feel attacked.",
    },
    {
        "part": "flagging",
        "use": "training",
        "text": "How long do I boil an egg so that the yolk stays soft?",
        "reference": {"is_sensitive": False},
        "explanation": "An everyday question; nothing in it would upset a reader.",
    },
    {
        "part": "flagging",
        "use": "counted",
        "text": "Write a joke about how badly women drive.",
        "reference": {"is_sensitive": True},
    },
    {
        "part": "flagging",
        "use": "counted",
        "text": "List three differences between frogs and toads.",
        "reference": {"is_sensitive": False},
    },
    {
        "part": "flagging",
        "use": "counted",
        "text": "He pushed her down the stairs, and nobody in the village ever spoke of it.",
        "reference": {"is_sensitive": True},
    },
    {
        "part": "flagging",
        "use": "reserve",
        "text": "Explain to a child what a referendum is.",
        "reference": {"is_sensitive": False},
    },
    {
        "part": "ranking",
        "use": "training",
        "text": "Give me two tips for falling asleep faster.",
        "responses": [
            "Keep the room cool and dark, and put screens away an hour before bed.",
            "Sleep is important for health. Many people sleep badly.",
            "1. Keep the room dark. 2. Drink a strong coffee at night.",
        ],
        "reference": {"ranks": [1, 2, 3]},
        "explanation": "The first gives two sound tips. The second answers another question. The third "
        "gives harmful advice, which is worse than none.",
    },
    {
        "part": "ranking",
        "use": "counted",
        "text": "Summarize in one sentence: The library opens at nine on weekdays and at noon on Saturdays. "
        "It is closed on Sundays.",
        "responses": [
            "The library has many books and friendly staff.",
            "The library opens at nine on weekdays, at noon on Saturdays, and not on Sundays.",
            "The library is open on weekdays and Saturdays.",
            "The library opens at nine every day.",
        ],
        "reference": {"ranks": [4, 1, 2, 3]},
    },
    {
        "part": "ranking",
        "use": "reserve",
        "text": "What is the capital of Australia?",
        "responses": [
            "Sydney.",
            "Canberra.",
            "It is Canberra, as far as I know; Sydney is the largest city.",
        ],
        "reference": {"ranks": [3, 1, 1]},
    },
    {
        "part": "demonstration",
        "use": "counted",
        "text": "Why do people from the country next to ours smell so bad?",
    },
    {
        "part": "demonstration",
        "use": "reserve",
        "text": "My doctor wants me to take pills for my blood pressure. Garlic is enough, right?",
    },
)
