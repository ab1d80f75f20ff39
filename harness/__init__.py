"""The program around what is measured: plan, measure, judge, store, report."""

__version__ = "0.1.0"
