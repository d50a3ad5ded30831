"""Scores of texts: rules that a program can check, chrF against a reference, and how reliable a figure is."""

from curation.scoring.chrf import corpus_chrf, sentence_chrf
from curation.scoring.rules import Rule, RulesError, RuleSet, RuleVerdict, load_rules

__all__ = ["Rule", "RuleSet", "RuleVerdict", "RulesError", "corpus_chrf", "load_rules", "sentence_chrf"]
