"""What the surveys ask: the items of Ouyang et al. 2022, tables 12 and 13."""

from typing import Any

GENDER = ("Male", "Female", "Nonbinary or other")
ETHNICITY = (
    "White", "Black", "Latinx", "East Asian", "Southeast Asian", "South Asian", "Middle Eastern",
    "Indigenous, Native American or Alaskan Native", "Other",
)  # fmt: skip
AGE = ("18 to 24", "25 to 34", "35 to 44", "45 to 54", "55 to 64", "65 or older")
EDUCATION = (
    "Less than high school", "High school", "Undergraduate degree", "Master's degree", "Doctorate",
)  # fmt: skip
REGION = (
    "North America", "Central America and Caribbean", "South America", "Western Europe", "Eastern Europe",
    "North Africa and Middle East", "Sub-Saharan Africa", "Central Asia", "South Asia", "East Asia",
    "Southeast Asia", "Oceania",
)  # fmt: skip
NATIONALITY = (
    "Albanian", "American", "Argentinian", "Australian", "Bangladeshi", "Brazilian", "British", "Canadian",
    "Chinese", "Colombian", "Egyptian", "Filipino", "French", "German", "Ghanaian", "Indian", "Indonesian",
    "Italian", "Japanese", "Kenyan", "Korean", "Mexican", "Nepalese", "Nigerian", "Pakistani", "Peruvian",
    "Polish", "Romanian", "Russian", "South African", "Spanish", "Sri Lankan", "Turkish", "Ukrainian",
    "Uruguayan", "Venezuelan", "Vietnamese", "Zimbabwean", "Another nationality",
)  # fmt: skip
AGREEMENT = (
    "Strongly agree", "Agree", "Neither agree nor disagree", "Disagree", "Strongly disagree",
)  # fmt: skip

QUESTIONS: dict[str, list[dict[str, Any]]] = {
    "demographics": [
        {"key": "gender", "label": "What gender do you identify as?", "options": GENDER},
        {
            "key": "ethnicity",
            "label": "What ethnicities do you identify as?",
            "options": ETHNICITY,
            "several": True,
        },
        {"key": "nationality", "label": "What is your nationality?", "options": NATIONALITY},
        {"key": "region", "label": "In which part of the world do you live?", "options": REGION},
        {"key": "age", "label": "What is your age?", "options": AGE},
        {
            "key": "education",
            "label": "What is your highest attained level of education?",
            "options": EDUCATION,
        },
    ],
    "satisfaction": [
        {
            "key": "clear",
            "label": "It was clear from the instructions what I was supposed to do.",
            "options": AGREEMENT,
        },
        {"key": "enjoyable", "label": "I found the task enjoyable and engaging.", "options": AGREEMENT},
        {"key": "repetitive", "label": "I found the task repetitive.", "options": AGREEMENT},
        {"key": "paid", "label": "I was paid fairly for doing the task.", "options": AGREEMENT},
        {"key": "glad", "label": "Overall, I'm glad I did this task.", "options": AGREEMENT},
    ],
}
