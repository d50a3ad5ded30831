"""Scores of texts: rules a program can check, chrF against a reference, and how far a figure can be trusted."""

from inference.scoring.chrf import corpus_chrf, sentence_chrf
from inference.scoring.rules import Rule, RulesError, RuleSet, Verdict, load_rules

__all__ = ["Rule", "RuleSet", "RulesError", "Verdict", "corpus_chrf", "load_rules", "sentence_chrf"]
