"""The JSON interface of the labeling side: thin views over the rules."""
