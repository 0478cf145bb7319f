"""Texts: answers, sentences, categories and n-grams."""
