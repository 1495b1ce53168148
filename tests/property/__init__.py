"""Properties that hold for every chart, searched by Hypothesis."""
